"""Train the tokenizer of the embedded variants: byte-level BPE with 512 tokens, on the invented text below.

    python examples/train_tiny_tokenizer.py src/acetune/families/acestep_v15/tiny_tokenizer

Like the published tokenizer it knows every byte, parses `<|endoftext|>` inside a prompt and appends one. Running it
again gives the same file, byte for byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

END = "<|endoftext|>"

TEMPLATES = """
# Instruction
Fill the audio semantic mask based on the given conditions:

# Caption
warm analog synth pop with a driving bass, bright claps and a female voice

# Metas
- bpm: 120
- timesignature: 4
- keyscale: C major
- duration: 30 seconds
- bpm: N/A
- keyscale: F# minor
- duration: 180 seconds

# Languages
en

# Lyric
[Intro]
[Verse 1]
[Pre-Chorus]
[Chorus]
[Bridge]
[Outro]
[Instrumental]
unknown
"""

CAPTIONS = """
slow piano ballad, soft strings, intimate male vocal, rainy evening mood
fast techno, four on the floor, acid bass line, dark warehouse, 140 bpm
acoustic guitar and hand drums, folk, hopeful, recorded live in a small room
orchestral film music, brass fanfare, epic choir, rising tension
lo-fi hip hop, dusty vinyl, mellow electric piano, relaxed beat
heavy guitars, double kick drums, screamed vocals, metal
jazz trio with double bass, brushed drums and a muted trumpet, late night
reggae with an off-beat organ, deep bass, sunny and calm
"""

LYRICS = """
The morning train is leaving, and I am not on board
I counted every window until the last one was gone
We are the lights above the harbour, we are the wind inside the song
Hold on to me, hold on to the night, until the stars are falling
Die Lichter in der Stadt gehen aus, und wir laufen durch den Regen
Ich habe deinen Namen in den Sand geschrieben, das Meer hat ihn genommen
Bajo la luna de enero camino solo por la ciudad
Dime que no fue en vano, dime que vas a volver
Dans la lumière du matin je cherche encore ton visage
La mer est calme et le vent porte notre chanson
Sotto il cielo di settembre ho lasciato il cuore
Quando a noite chega eu canto para não chorar
夜の街に雨が降る 君の声を探している
風よ 歌え 遠い空まで
我在深夜的街道 听见你的声音
月光落在水面上 我们慢慢地走
밤하늘의 별처럼 너를 기다려
Ночь идёт по городу, и я пою тебе одной
"""


def train() -> Tokenizer:
    """Return the trained tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEMPLATES] * 4 + [CAPTIONS, LYRICS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {END}", pair=f"$A $B {END}", special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    return tokenizer


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    train().save(str(folder / "tokenizer.json"))

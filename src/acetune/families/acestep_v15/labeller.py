"""Annotator `codes`: ACE-Step 1.5's own language model describes a song from its audio codes.

The codes are those that the model composes music from: five a second, made by the variant's audio tokenizer. What the
model says about tempo, key and metre is passed over, for it is often wrong (its own documentation), and so are the
lyrics that it makes up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from acetune import compute
from acetune.annotation import checkpoints
from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.answers import plain_prose, read_language, whole_sentences
from acetune.annotation.loading import is_slow, lack_of_room, loaded
from acetune.annotation.speaking import Manner, seed_of, speak
from acetune.audio import files as audio_files
from acetune.data.track import Source
from acetune.errors import AcetuneError, DataError, MissingDependency
from acetune.events import Job
from acetune.families.acestep_v15 import places
from acetune.families.acestep_v15.composer import CODE, read_tokenizer
from acetune.families.acestep_v15.variants import CARD
from acetune.families.variant import Variant

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from acetune.audio.signal import Samples

_NAME: Final = "codes"
#: Whose audio tokenizer makes the codes, unless the user names another with ``--model codec=VARIANT``.
_CODEC, _DEFAULT_CODEC = "codec", "turbo"
_RATE_HZ: Final = 48_000
_MOST_SECONDS: Final = 600.0
#: The official prompt, and how the official app draws the answer.
_SYSTEM: Final = (
    "# Instruction\nUnderstand the given musical conditions and describe the audio semantics accordingly:\n\n"
)
_MANNER: Final = Manner(tokens=1024, temperature=0.7, top_p=0.9)
_END_OF_THOUGHT: Final = "</think>"
_CHAT: Final = "<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{codes}<|im_end|>\n<|im_start|>assistant\n"
_FIELD = re.compile(r"^(bpm|caption|duration|genres?|keyscale|(?:vocal_)?language|timesignature)\s*:", re.MULTILINE)


class CodesAnnotator:
    """Writes a caption in the words that the model itself was trained with, the genre and the language."""

    name = _NAME
    fields = ("caption", "genre", "language")
    source = Source.MODEL
    pooled = False
    models = (_CODEC,)

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether weights or memory are missing, of the language model or of the audio tokenizer."""
        try:
            variant = _variant(setup)
            found = None if variant.embedded else places.locate(variant, None, setup.models)
            if not variant.embedded and (found is None or found.missing):
                return MissingDependency("listening.no_codec", variant=variant.name)
            return lack_of_room(checkpoints.own(setup, _NAME), setup.device)
        except (MissingDependency, DataError) as error:
            return error

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that describes a song."""
        from transformers import AutoModelForCausalLM

        folder = checkpoints.own(setup, _NAME)
        encoder = _encoder(_variant(setup), setup, job)
        reader = read_tokenizer(folder)
        with loaded(AutoModelForCausalLM, folder, setup.device) as model:
            if is_slow(model):
                job.tell(DataError("listening.slow", path=folder))
            yield partial(_listen, Composer(model, reader), encoder, job)


@dataclass(frozen=True)
class Encoder:
    """Audio to codes.

    Attributes:
        codec: The variant's autoencoder.
        tokenizer: Its audio tokenizer.
        silence: Latents (1, T, C) that fill up the last code.
    """

    codec: Any
    tokenizer: Any
    silence: Tensor

    def codes(self, audio: Samples) -> tuple[int, ...]:
        """Return five numbers for each second of audio (samples, 2) at 48 kHz."""
        import torch

        latents, _ = self.codec.encode(audio)
        weight = next(self.tokenizer.parameters())
        with torch.inference_mode():
            _, indices = self.tokenizer.tokenize(latents[None].to(weight.device, weight.dtype), self.silence)
        return tuple(indices.flatten().tolist())


@dataclass(frozen=True)
class Composer:
    """The language model and its tokenizer."""

    model: Any
    tokenizer: Any

    def inputs(self, codes: tuple[int, ...]) -> dict[str, torch.Tensor]:
        """Return the arguments of the model's `generate` for a question about codes."""
        import torch

        ids = self.tokenizer(self.written(codes), return_tensors="pt", add_special_tokens=False).input_ids
        values = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        return {name: value.to(self.model.device) for name, value in values.items()}

    def written(self, codes: tuple[int, ...]) -> str:
        """Return the question as the model was trained to read it."""
        text = "".join(map(CODE.format, codes))
        if self.tokenizer.chat_template is None:
            return _CHAT.format(system=_SYSTEM, codes=text)
        turns = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": text}]
        written: str = self.tokenizer.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
        return written

    @property
    def manner(self) -> Manner:
        """Return how it answers: it ends when it has thought, before it makes up lyrics."""
        end = self.tokenizer(_END_OF_THOUGHT, add_special_tokens=False).input_ids
        return replace(_MANNER, ends=tuple(end)) if len(end) == 1 else _MANNER


def read_thoughts(text: str) -> Mapping[str, str]:
    """Return what the model thinks about a song: field to value; values may go over several lines.

    The answer is ``<think>``, lines of YAML, ``</think>``; the first may be missing, for some templates write it.
    """
    thoughts = text.partition("<think>")[2] or text
    thoughts = thoughts.partition(_END_OF_THOUGHT)[0]
    marks = list(_FIELD.finditer(thoughts))
    ends = [mark.start() for mark in marks[1:]] + [len(thoughts)]
    return {
        mark[1]: " ".join(thoughts[mark.end() : end].split()).strip("\"'|>- ")
        for mark, end in zip(marks, ends, strict=False)
    }


def _listen(composer: Composer, encoder: Encoder, job: Job, song: Song) -> Mapping[str, Guess]:
    """Return caption, genre and language of a song.

    Raises:
        DataError: If it cannot be read, or the answer says nothing.
    """
    audio = audio_files.read(song.path, _RATE_HZ, max_seconds=_MOST_SECONDS)
    job.check_stop(_NAME)
    inputs = composer.inputs(encoder.codes(audio))
    spoken = speak(composer.model, inputs, composer.manner, seed=seed_of(song, _NAME), job=job, stage=_NAME)
    text = composer.tokenizer.decode(spoken.ids, skip_special_tokens=True)
    said = read_thoughts(text)
    caption = plain_prose(said.get("caption", ""))
    found = {
        "caption": whole_sentences(caption) if spoken.truncated else caption,
        "genre": said.get("genres", said.get("genre", "")).lower(),
        "language": read_language(said.get("language", said.get("vocal_language"))),
    }
    guesses = {name: Guess(value, spoken.confidence) for name, value in found.items() if value and value != "unknown"}
    if not guesses:
        raise DataError("listening.no_answer", path=song.track.path, said=" ".join(text.split())[:80])
    return guesses


def _variant(setup: Setup) -> Variant:
    """Return the variant whose audio tokenizer makes the codes.

    Raises:
        MissingDependency: If there is none of the name that the user gave.
    """
    name = setup.model_ids.get(_CODEC, _DEFAULT_CODEC)
    variant = CARD.variant(name)
    if variant is None:
        raise MissingDependency("listening.no_codec", variant=name)
    return variant


def _encoder(variant: Variant, setup: Setup, job: Job) -> Encoder:
    """Return the part of a variant that makes codes.

    Raises:
        DataError: If the variant's weights hold no audio tokenizer.
    """
    import torch

    from acetune.families.acestep_v15.codec import OobleckCodec
    from acetune.families.acestep_v15.layouts import open_weights

    where = compute.device(setup.device)
    weights = open_weights(variant, None, setup.models, job)
    codec = OobleckCodec(weights.load("vae", where, torch.float32), where)
    return Encoder(codec, weights.load("audio_tokenizer", where, torch.float32), weights.silence())

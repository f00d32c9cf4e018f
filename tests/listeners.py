"""Tiny models of the real classes, saved as their publishers save them: random ones, and ones that recite a text.

A reciting model's layers add nothing to the embedding of the last token, and its head is a table of which token
follows which. It runs through every line of the real code and says exactly what the test wants to hear.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    Qwen3Config,
    Qwen3ForCausalLM,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
)

SPECIAL = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|audio_bos|>", "<|AUDIO|>", "<|audio_eos|>", "<|vision_bos|>",
    "<|IMAGE|>", "<|VIDEO|>",
)  # fmt: skip
END, OPENING = "<|im_end|>", "assistant\n"
SEED = 7


def tokenizer(pieces: tuple[str, ...] = (), special: tuple[str, ...] = SPECIAL) -> PreTrainedTokenizerFast:
    """Return a tokenizer for which each piece is one token and everything else an unknown one."""
    words = [*special, "<unk>", OPENING, *pieces]
    assert len(set(words)) == len(words), "each piece must be another"
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    core.decoder = decoders.Fuse()
    core.add_special_tokens(list(special))
    return PreTrainedTokenizerFast(
        tokenizer_object=core, unk_token="<unk>", eos_token=END, pad_token="<|endoftext|>",
        additional_special_tokens=list(special[3:]),
    )  # fmt: skip


def lines(text: str) -> tuple[str, ...]:
    """Return the lines of a text with their ends and the blank lines after them."""
    return tuple(re.findall(r"[^\n]+\n*", text))


def save_omni(folder: Path, answer: str | None = None, *, template: str | None = None, seconds: int = 5) -> Path:
    """Save a Qwen2.5-Omni that recites an answer, or a random one, in the layout of the published ones.

    It hears so many seconds at once; the published ones hear 300.
    """
    pieces = () if answer is None else lines(answer)
    reader = tokenizer(pieces)
    reader.chat_template = template
    width = 32 * math.ceil(len(reader) / 32)
    torch.manual_seed(SEED)
    thinker = Qwen2_5OmniThinkerForConditionalGeneration(_thinker_config(width, len(reader), reader))
    if answer is not None:
        recite(thinker.model.language_model, thinker.lm_head, reader, pieces)
    folder.mkdir(parents=True)
    save_file(_published_names(thinker), folder / "model.safetensors", metadata={"format": "pt"})
    config = {"model_type": "qwen2_5_omni", "thinker_config": thinker.config.to_dict(), "talker_config": {}}
    (folder / "config.json").write_text(json.dumps(config))
    ends = [reader.convert_tokens_to_ids(END), reader.convert_tokens_to_ids("<|endoftext|>")]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    reader.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=128, chunk_length=seconds).save_pretrained(folder)
    return folder


def save_composer(folder: Path, answer: str, *, knows_codes: bool = True) -> Path:
    """Save a Qwen3 that recites an answer about audio codes, as ACE-Step's language models are saved.

    Its tokenizer knows the first code; each of the others is one unknown token.
    """
    pieces = tuple(re.findall(r"</?think>|\n*[^\n<]+\n*", answer))
    thoughts = tuple(piece for piece in pieces if piece in ("<think>", "</think>"))
    reader = tokenizer(tuple(piece for piece in pieces if piece not in thoughts), (*SPECIAL[:3], *thoughts))
    core = reader.backend_tokenizer
    core.pre_tokenizer = pre_tokenizers.Split(Regex(r"<\|audio_code_\d+\|>"), "isolated")
    core.add_tokens(["<|audio_code_0|>"] if knows_codes else [])
    width = 32 * math.ceil(len(core.get_vocab()) / 32)
    torch.manual_seed(SEED)
    config = Qwen3Config(
        vocab_size=len(core.get_vocab()), hidden_size=width, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=16, tie_word_embeddings=False,
        eos_token_id=reader.convert_tokens_to_ids(END), pad_token_id=0,
    )  # fmt: skip
    model = Qwen3ForCausalLM(config)
    recite(model.model, model.lm_head, reader, pieces)
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    return folder


def recite(decoder: torch.nn.Module, head: torch.nn.Linear, reader: PreTrainedTokenizerFast, pieces: tuple[str, ...]):
    """Make a decoder say the pieces one after the other once its opening was said, and then end."""
    with torch.no_grad():
        for layer in decoder.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        decoder.embed_tokens.weight.copy_(torch.eye(*decoder.embed_tokens.weight.shape))
        decoder.norm.weight.fill_(1)
        head.weight.zero_()
        said = [reader.convert_tokens_to_ids(piece) for piece in (OPENING, *pieces, END)]
        for token, following in zip(said, said[1:], strict=False):
            head.weight[following, token] = 9.0


def _thinker_config(width: int, words: int, reader: PreTrainedTokenizerFast) -> Qwen2_5OmniThinkerConfig:
    """Return sizes that are as small as the class allows."""
    audio = {
        "d_model": 16, "encoder_layers": 1, "encoder_attention_heads": 2, "encoder_ffn_dim": 32, "num_mel_bins": 128,
        "output_dim": width,
    }  # fmt: skip
    vision = {
        "depth": 1, "hidden_size": 16, "embed_dim": 16, "out_hidden_size": width, "num_heads": 2,
        "intermediate_size": 32, "fullatt_block_indexes": [0],
    }  # fmt: skip
    marks = {
        "audio_start_token_id": "<|audio_bos|>", "audio_end_token_id": "<|audio_eos|>",
        "audio_token_index": "<|AUDIO|>", "image_token_index": "<|IMAGE|>", "video_token_index": "<|VIDEO|>",
        "vision_start_token_id": "<|vision_bos|>",
    }  # fmt: skip
    sixth = width // 2 // 2 // 4
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [2 * sixth, sixth, sixth]}
    text = {
        "hidden_size": width, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "num_key_value_heads": 1, "vocab_size": words, "rope_parameters": rope, "initializer_range": 0.3,
    }  # fmt: skip
    return Qwen2_5OmniThinkerConfig(
        audio_config=audio, vision_config=vision, text_config=text, initializer_range=0.3,
        **{name: reader.convert_tokens_to_ids(mark) for name, mark in marks.items()},
    )  # fmt: skip


def _published_names(thinker: Qwen2_5OmniThinkerForConditionalGeneration) -> dict[str, torch.Tensor]:
    """Return the weights under the names of the published files, with a talker beside the thinker."""
    named = {"talker.model.norm.weight": torch.ones(1_000_000)}
    for name, tensor in thinker.state_dict().items():
        short = name.removeprefix("model.").replace("language_model.", "model.")
        named[f"thinker.{short}"] = tensor.clone()
    return named


#: Tokens of Whisper that are no words; a time has 20 ms.
_WHISPER = ("<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|ko|>", "<|translate|>", "<|transcribe|>",
            "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>")  # fmt: skip


def save_whisper(folder: Path, lines: dict[float, str], *, language: str = "en", seconds: int = 6) -> Path:
    """Save a Whisper that writes the same lines in each of its windows, each line from its time to the next.

    Args:
        folder: Where to.
        lines: Seconds in the window to words; the last one is where the words end.
        language: "en" or "ko".
        seconds: Length of a window; the published ones hear 30.
    """
    times = tuple(f"<|{number / 50:.2f}|>" for number in range(seconds * 50 + 1))
    words = ("<unk>", *(f" {text}" for text in dict.fromkeys(lines.values()) if text), *_WHISPER, *times)
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    core.decoder = decoders.Fuse()
    core.add_special_tokens([*_WHISPER, *times])
    reader = PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="<|endoftext|>")
    number = reader.convert_tokens_to_ids
    script = [f"<|{language}|>", "<|transcribe|>", *_segments(lines), "<|endoftext|>"]
    torch.manual_seed(SEED)
    config = WhisperConfig(
        vocab_size=len(words), d_model=64, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_source_positions=seconds * 50,
        max_target_positions=448, num_mel_bins=80, decoder_start_token_id=number("<|startoftranscript|>"),
        eos_token_id=number(_WHISPER[0]), pad_token_id=number(_WHISPER[0]), bos_token_id=None,
        begin_suppress_tokens=None, suppress_tokens=None,
    )  # fmt: skip
    model = WhisperForConditionalGeneration(config)
    _recite_by_place(model, [number(token) for token in script])
    settings = model.generation_config
    settings._from_model_config = False
    settings.lang_to_id = {token: number(token) for token in ("<|en|>", "<|ko|>")}
    settings.task_to_id = {task: number(f"<|{task}|>") for task in ("translate", "transcribe")}
    settings.is_multilingual, settings.no_timestamps_token_id = True, number("<|notimestamps|>")
    settings.max_initial_timestamp_index, settings.max_length = seconds * 50, 448
    model.save_pretrained(folder)
    reader.save_pretrained(folder)
    WhisperFeatureExtractor(feature_size=80, chunk_length=seconds).save_pretrained(folder)
    return folder


def _segments(lines: dict[float, str]) -> list[str]:
    """Return the tokens of lines between their times."""
    starts = list(lines)
    said: list[str] = []
    for start, stop in zip(starts, starts[1:], strict=False):
        said += [f"<|{start:.2f}|>", f" {lines[start]}", f"<|{stop:.2f}|>"]
    return said


def _recite_by_place(model: WhisperForConditionalGeneration, script: list[int]) -> None:
    """Make a decoder say the tokens of a script by their place, whatever was said before."""
    decoder = model.model.decoder
    with torch.no_grad():
        for layer in decoder.layers:
            for part in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                part.weight.zero_()
                part.bias.zero_()
        words = torch.nn.functional.normalize(torch.randn(decoder.embed_tokens.weight.shape), dim=1)
        decoder.embed_tokens.weight.copy_(words)
        model.proj_out.weight.copy_(words)
        decoder.embed_positions.weight.zero_()
        decoder.embed_positions.weight[: len(script)] = 100 * words[script]
        decoder.layer_norm.weight.fill_(8)


def sung(seconds: float, phrases: tuple[tuple[float, float], ...], rate_hz: int = 16_000) -> np.ndarray:
    """Return mono audio that sounds during phrases (start, end) and is silent elsewhere."""
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    audio = 0.3 * np.sin(2 * np.pi * 220 * time)
    inside = np.zeros(len(time), bool)
    for start, stop in phrases:
        inside |= (time >= start) & (time < stop)
    return np.where(inside, audio, 0).astype(np.float32)

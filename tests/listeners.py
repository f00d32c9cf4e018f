"""Tiny models of the real classes, saved as their publishers save them: random ones, and ones that recite a text.

A reciting model's layers add nothing to the embedding of the last token, and its head is a table of which token
follows which. It runs through every line of the real code and says exactly what the test wants to hear.
"""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5OmniThinkerConfig,
    Qwen2_5OmniThinkerForConditionalGeneration,
    WhisperFeatureExtractor,
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

"""The conditions of ACE-Step 1.5, built in one place for training and for generation.

Limits and order are those of the official inference handler: caption and metas in one prompt through the text encoder,
lyrics with a language header as bare embeddings through the lyric encoder, a clip of silence through the timbre
encoder. No padding is ever stored; with none, the encoder's packing is plain concatenation in the order
lyrics, timbre, text, and each part is the same whether it is encoded alone or with the others.
"""

from __future__ import annotations

from functools import cached_property
from itertools import takewhile
from typing import Any

import torch
from torch import Tensor

from acetune.families.acestep_v15.prompts import (
    INSTRUCTION,
    INSTRUMENTAL,
    LEGACY_LYRIC_LIMIT,
    LYRIC_LIMIT,
    OPENING,
    TEXT_LIMIT,
    instruction_of,
    lyric_text,
    prompt_text,
)
from acetune.families.family import Part, Prompt
from acetune.families.tasks import TEXT_TO_MUSIC, Task

#: Silent latents that stand for "no reference clip": 30 s.
TIMBRE_FRAMES = 750

#: Rows of a foreign text that differ from ours by more than this share are of other weights: bfloat16 costs a percent.
_TOLERANCE = 0.1


def join(lyrics: Tensor, timbre: Tensor, text: Tensor) -> Tensor:
    """Return the condition sequence (L, D) of its parts, each (l, D)."""
    return torch.cat([lyrics, timbre, text])


def split(joined: Tensor, opening: Tensor) -> tuple[Tensor, Tensor] | None:
    """Return the lyric rows and the text rows of a condition sequence; the timbre row between them is left out.

    The text encoder is causal, so that every prompt begins with the same rows, whatever follows. They show where the
    text begins, and that these conditions are of the same weights.

    Args:
        joined: Conditions without padding (L, D): lyrics, one row of timbre, text.
        opening: The first rows of every text (n, D), from the checkpoint that shall be trained.

    Returns:
        None if the opening is nowhere: the conditions were encoded by other weights.
    """
    count, first = len(opening), 2  # at least one row of lyrics, then the timbre
    if joined.shape[1] != opening.shape[1] or len(joined) < first + count:
        return None
    windows = joined[first:].float().unfold(0, count, 1).transpose(1, 2)  # (places, n, D)
    wanted = opening.float()
    errors = ((windows - wanted).norm(dim=2) / wanted.norm(dim=1)).amax(dim=1)
    place = int(errors.argmin())
    if not errors[place] <= _TOLERANCE:
        return None
    return joined[: first + place - 1], joined[first + place :]


class AceStepConditioner:
    """Encodes prompts with the frozen encoders of one checkpoint.

    Args:
        tokenizer: The checkpoint's own; it appends one end token by itself.
        text_encoder: Qwen3; whole for captions, its embedding table alone for lyrics.
        condition_encoder: The checkpoint's, with its silence.
        timbre_cls: Whether the timbre encoder's learned token comes first (official XL models; diffusers leaves it
            out).
        legacy_lyrics: Raw lyrics cut at 512 tokens, as old trainers encoded them.
    """

    def __init__(
        self,
        tokenizer: Any,
        text_encoder: Any,
        condition_encoder: Any,
        *,
        timbre_cls: bool,
        legacy_lyrics: bool = False,
    ) -> None:
        self._tokenizer = tokenizer
        self._text_encoder = text_encoder
        self._encoder = condition_encoder
        self._legacy_lyrics = legacy_lyrics
        if timbre_cls:
            timbre = condition_encoder.timbre_encoder
            timbre.embed_tokens.register_forward_hook(
                lambda module, inputs, output: torch.cat(
                    [timbre.special_token.to(output.dtype).expand(output.shape[0], 1, -1), output], dim=1
                )
            )

    @torch.inference_mode()
    def text(self, prompt: Prompt, task: Task = TEXT_TO_MUSIC) -> Part:
        """Return {"tokens": (Lt, D)} of instruction, caption and metas; a long caption is cut, never the metas."""
        instruction = instruction_of(task)
        caption = self._fitting_caption(prompt, instruction)
        ids = self._ids(prompt_text(prompt, caption, instruction), TEXT_LIMIT)
        states = self._text_encoder(input_ids=ids).last_hidden_state
        return {"tokens": self._encoder.text_projector(states)[0].cpu()}

    @torch.inference_mode()
    def lyrics(self, prompt: Prompt) -> Part:
        """Return {"tokens": (Ll, D)} of the lyrics."""
        ids = self._ids(*self._lyric_request(prompt))
        embeddings = self._text_encoder.get_input_embeddings()(ids)
        mask = torch.ones_like(ids, dtype=torch.bool)
        return {"tokens": self._encoder.lyric_encoder(inputs_embeds=embeddings, attention_mask=mask)[0].cpu()}

    @torch.inference_mode()
    def constants(self) -> Part:
        """Return {"timbre": (1, D), "null": (1, D), "silence": (15000, C)}."""
        silence = self._encoder.silence_latent
        order = torch.zeros(1, dtype=torch.long, device=silence.device)
        timbre, _ = self._encoder.timbre_encoder(silence[:, :TIMBRE_FRAMES], order)
        null = self._encoder.null_condition_emb.detach()
        return {"timbre": timbre[0].cpu(), "null": null[0].cpu(), "silence": silence[0].cpu().contiguous()}

    def trimmed(self, prompt: Prompt) -> tuple[str, ...]:
        """Name what is longer than the model reads and will be cut: "caption", "lyrics"."""
        text, limit = self._lyric_request(prompt)
        cut = {
            "caption": self._fitting_caption(prompt) != prompt.caption,
            "lyrics": self._count(text) > limit,
        }
        return tuple(name for name, is_cut in cut.items() if is_cut)

    def adopt(self, joined: Tensor) -> tuple[Part, Part] | None:
        """Return lyrics and text as parts, in this encoder's number format; see `Conditioner.adopt`."""
        found = split(joined, self._opening)
        if found is None:
            return None
        lyrics, text = ({"tokens": rows.to(self._opening.dtype)} for rows in found)
        return lyrics, text

    @cached_property
    def _opening(self) -> Tensor:
        """The rows (n, D) that every text begins with: those of the tokens before the instruction."""
        prompt = Prompt("", None, None, None, None, None, 0.0)
        pairs = zip(self._tokenizer(OPENING).input_ids, self._tokenizer(prompt_text(prompt)).input_ids, strict=False)
        shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        return self.text(prompt)["tokens"][:shared]

    def _lyric_request(self, prompt: Prompt) -> tuple[str, int]:
        """Return the lyric text to tokenise and its limit."""
        if self._legacy_lyrics:
            return (prompt.lyrics or "").strip() or INSTRUMENTAL, LEGACY_LYRIC_LIMIT
        return lyric_text(prompt), LYRIC_LIMIT

    def _fitting_caption(self, prompt: Prompt, instruction: str = INSTRUCTION) -> str:
        """Return the longest start of the caption, in whole words, with which the prompt fits."""
        caption = prompt.caption
        while caption and self._count(prompt_text(prompt, caption, instruction)) > TEXT_LIMIT:
            excess = self._count(prompt_text(prompt, caption, instruction)) - TEXT_LIMIT
            words = caption.split(" ")
            kept = max(len(words) - max(excess // 4, 1), 0)
            caption = " ".join(words[:kept]) if len(words) > 1 else caption[: -max(excess, 1)]
        return caption.rstrip(" ,;") if caption != prompt.caption else caption

    def _count(self, text: str) -> int:
        """Return the number of tokens of a text, its end token included."""
        return len(self._tokenizer(text).input_ids)

    def _ids(self, text: str, limit: int) -> Tensor:
        """Return token ids (1, L) on the encoder's device."""
        ids = self._tokenizer(text, truncation=True, max_length=limit, return_tensors="pt").input_ids
        on_device: Tensor = ids.to(self._encoder.null_condition_emb.device)
        return on_device

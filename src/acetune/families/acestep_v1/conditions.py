"""The conditions of ACE-Step v1: states of the text encoder for a caption, tokens for lyrics.

The network reads a caption and lyrics and nothing else: tempo, key and metre count where the caption says them. Lyric
tokens stay tokens, for the network has the lyric encoder inside, where adapters reach it. No padding is ever stored.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from acetune.families.acestep_v1.lyrics import LIMIT, LyricTokenizer
from acetune.families.acestep_v1.token_counts import TEXT_LIMIT
from acetune.families.family import Part, Prompt
from acetune.families.tasks import TEXT_TO_MUSIC, Task

#: Stands for lyrics of instrumentals, and is not seen (as when the published pipeline generates).
NO_LYRICS = 0
#: Zeros that stand for the text of a dropped prompt; as many as a usual caption has (decision 0015).
NULL_TOKENS = 24


class AceStepV1Conditioner:
    """Encodes prompts with the frozen text encoder and the lyric vocabulary of one checkpoint.

    Args:
        tokenizer: The text encoder's; it appends one end token by itself.
        text_encoder: UMT5's encoder.
        lyric_tokenizer: Makes tokens of lyrics.
    """

    def __init__(self, tokenizer: Any, text_encoder: Any, lyric_tokenizer: LyricTokenizer) -> None:
        self._tokenizer, self._text_encoder, self._lyrics = tokenizer, text_encoder, lyric_tokenizer

    @torch.inference_mode()
    def text(self, prompt: Prompt, task: Task = TEXT_TO_MUSIC) -> Part:
        """Return {"tokens": (Lt, D)} of the caption; this family has no words for tasks."""
        ids = self._tokenizer(prompt.caption, truncation=True, max_length=TEXT_LIMIT, return_tensors="pt").input_ids
        states = self._text_encoder(input_ids=ids.to(self._text_encoder.device)).last_hidden_state
        return {"tokens": states[0].cpu()}

    def lyrics(self, prompt: Prompt) -> Part:
        """Return {"ids": (Ll,)} of the lyrics; the single id `NO_LYRICS` where there are none."""
        return {"ids": torch.tensor(self._ids(prompt)[:LIMIT] or [NO_LYRICS])}

    def constants(self) -> Part:
        """Return {"null": (`NULL_TOKENS`, D)}, the text of a dropped prompt."""
        width: int = self._text_encoder.config.d_model
        return {"null": torch.zeros(NULL_TOKENS, width, dtype=self._text_encoder.dtype)}

    def trimmed(self, prompt: Prompt) -> tuple[str, ...]:
        """Name what is longer than the model reads and will be cut: "caption", "lyrics"."""
        cut = {
            "caption": len(self._tokenizer(prompt.caption).input_ids) > TEXT_LIMIT,
            "lyrics": len(self._ids(prompt)) > LIMIT,
        }
        return tuple(name for name, is_cut in cut.items() if is_cut)

    def adopt(self, joined: Tensor) -> tuple[Part, Part] | None:
        """Return None: no other trainer keeps conditions of this family as one sequence."""
        return None

    def _ids(self, prompt: Prompt) -> list[int]:
        """Return all lyric tokens of a prompt."""
        lyrics = (prompt.lyrics or "").strip()
        return self._lyrics.ids(lyrics, prompt.language) if lyrics else []

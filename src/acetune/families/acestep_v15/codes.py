"""Music as the 5 Hz language model hands it over: through codes and back.

ComfyUI's text node lets that model write codes by default, and the network is then asked with another instruction and
with the latents of these codes in place of silence. Whoever trains on silence alone sees an adapter do little there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from acetune.events import Job
from acetune.families.acestep_v15.composer import compose

if TYPE_CHECKING:
    from acetune.families.family import Prompt

#: Components that make codes of latents, and latents of codes.
CODES: Final = ("audio_tokenizer", "audio_token_detokenizer")


@dataclass(frozen=True)
class CodesRecoder:
    """The family's `acetune.families.family.Recoder`.

    Attributes:
        tokenizer: Latents to codes, five frames each.
        detokenizer: Codes to latents.
        silence: Latents (1, T, C) that fill up the last code.
    """

    tokenizer: Any
    detokenizer: Any
    silence: Tensor

    @torch.inference_mode()
    def recode(self, latents: Tensor) -> Tensor:
        """Return the latents (T, C) that the codes of latents (T, C) stand for, float32 on the CPU."""
        weight = next(self.tokenizer.parameters())
        quantized, _ = self.tokenizer.tokenize(latents[None].to(weight.device, weight.dtype), self.silence)
        rough: Tensor = self.detokenizer(quantized)[0, : len(latents)]
        return rough.float().cpu()

    def compose(self, prompt: Prompt, folder: Path, seed: int, job: Job) -> Tensor:
        """Return the latents (T, C) of the codes that the language model of a folder writes for a prompt."""
        device = next(self.detokenizer.parameters()).device
        return self.of_codes(compose(prompt, folder, seed, device, job))

    @torch.inference_mode()
    def of_codes(self, numbers: Sequence[int]) -> Tensor:
        """Return the latents (T, C), five frames for each code, that codes stand for, float32 on the CPU."""
        weight = next(self.detokenizer.parameters())
        codes = torch.tensor(numbers, device=weight.device)
        quantized = self.tokenizer.quantizer.get_output_from_indices(codes[None, :, None])
        rough: Tensor = self.detokenizer(quantized.to(weight.dtype))[0]
        return rough.float().cpu()

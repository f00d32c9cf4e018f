"""The latents of silence: the context of every generation from nothing, and the reference of an absent voice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from acetune import compute
from acetune.errors import DataError
from acetune.families.pickles import read_pt
from acetune.families.tensors import fingerprint, read
from acetune.files import draft_file
from acetune.storage import save_tensors

if TYPE_CHECKING:
    from torch import Tensor, nn

    from acetune.families.acestep_v15.layouts import Weights

#: Frames of the official ``silence_latent.pt``: 600 s.
FRAMES = 15_000

#: The autoencoder sees fewer than 8 frames to each side, so frame 32 of 64 is the steady one.
_ENCODED, _STEADY = 64, 32


def encode_silence(vae: nn.Module, frames: int = FRAMES) -> Tensor:
    """Return the latents of endless silence, (1, frames, C) in float32 on the CPU.

    The head is what the autoencoder makes of the start of a silent recording; from the first frame that cannot see
    that start on, every frame is the same one, so it is repeated in place of encoding 600 s. One thread
    computes them, so that their bytes do not depend on how many the process may use.
    """
    weight = next(vae.parameters())
    hop = int(vae.hop_length)  # type: ignore[arg-type]
    quiet = torch.zeros(1, 2, _ENCODED * hop, device=weight.device, dtype=weight.dtype)
    with torch.inference_mode(), compute.threads(1):
        latents = vae.encode(quiet).latent_dist.mean.transpose(1, 2).float().cpu()  # type: ignore[operator]
    head, steady = latents[:, :_STEADY], latents[:, _STEADY : _STEADY + 1]
    return torch.cat([head, steady.expand(1, frames - _STEADY, -1)], dim=1).clone()


def silence_of(weights: Weights) -> Tensor:
    """Return the silence latents of a checkpoint, (1, 15000, C) in float32 on the CPU.

    Official folders keep them in ``silence_latent.pt`` as (1, C, 15000), diffusers in the condition encoder; where
    there are none (ComfyUI's files; a converter that forgot them leaves zeros) the checkpoint's own autoencoder
    encodes silence once.

    Raises:
        DataError: If the latents have another shape.
    """
    kept = _kept(weights)
    if kept is None or not kept.any():
        return _encoded(weights)
    if kept.shape[:2] != (1, FRAMES):
        raise DataError("weights.bad_silence", path=weights.found.network, shape=list(kept.shape))
    return kept


def _kept(weights: Weights) -> Tensor | None:
    """Return the latents that the checkpoint has, time before channels; None if it has none."""
    ref = weights.sources["condition_encoder"].tensors.get("silence_latent")
    if ref is not None:
        return read({"": ref}, torch.device("cpu"), torch.float32)[""]
    file = weights.found.network / "silence_latent.pt"
    if not file.is_file():
        return None
    tensor = read_pt(file, weights.models / "converted").get("tensor")
    return None if tensor is None else tensor.float().transpose(1, 2).contiguous()


def _encoded(weights: Weights) -> Tensor:
    """Return silence as the checkpoint's autoencoder encodes it, kept under that autoencoder's fingerprint."""
    from safetensors.torch import load_file

    file = weights.models / "converted" / f"silence-{fingerprint(weights.sources['vae'].tensors)}.safetensors"
    if not file.is_file():
        vae = weights.load("vae", torch.device("cpu"), torch.float32)
        with draft_file(file) as draft:
            save_tensors(draft, {"silence_latent": encode_silence(vae)})
    tensor: Tensor = load_file(file)["silence_latent"]
    return tensor

"""Songs that other trainers of ACE-Step 1.5 have encoded: what their files hold, and what of it is sound.

The official app, Side-Step and two ComfyUI packs (SN, FL) save one dictionary a song, under the same five names. All
but FL keep padding, most of them a clip of zeros as reference, and one mode of the official app stores the answer where
the network should see silence. Only what does not depend on that is taken: the latents, and the rows of lyrics and
text; padding goes, and context and timbre are this checkpoint's own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from types import MappingProxyType

import torch
from torch import Tensor

from acetune.errors import DataError
from acetune.events import Json
from acetune.families.acestep_v15.prompts import LEGACY_LYRIC_LIMIT, TEXT_LIMIT
from acetune.families.acestep_v15.variants import VARIANTS
from acetune.families.foreign import ForeignSong

#: What the files call latents and conditions, and the masks that say which of their rows are no padding.
LATENTS, LATENT_MASK = "target_latents", "attention_mask"
CONDITIONS, CONDITION_MASK = "encoder_hidden_states", "encoder_attention_mask"
CONTEXT = "context_latents"

#: Rows of lyrics, timbre and text where all were padded: lyrics were then encoded raw, without their header.
LEGACY_ROWS = LEGACY_LYRIC_LIMIT + 1 + TEXT_LIMIT
#: Context that is nearer to the target than this on average is the target itself.
LEAK = 1e-3

#: What only Side-Step writes about a song.
_SIDE_STEP = frozenset({"custom_tag", "prompt_override", "repeat"})
#: What all of them call what they know about a song, and what a `Track` calls it.
_FIELDS = MappingProxyType(
    {
        **{name: name for name in ("caption", "genre", "lyrics", "bpm", "keyscale", "timesignature", "language")},
        "is_instrumental": "instrumental",
        "custom_tag": "trigger",
        "repeat": "repeats",
    }
)
_SIZES = {(variant.size.channels, variant.size.condition_width): variant.size for variant in VARIANTS}


class ForeignTensors:
    """Reads them; see `acetune.families.foreign.TensorReader`."""

    def fits(self, loaded: Mapping[str, object]) -> bool:
        """Whether a dictionary has latents and conditions under the names of these trainers."""
        return {LATENTS, CONDITIONS} <= loaded.keys()

    def read(self, loaded: Mapping[str, object], path: Path) -> ForeignSong:
        """Return the sound part of a dictionary (raises as `TensorReader.read`)."""
        latents = _valid_rows(loaded, LATENTS, LATENT_MASK, path)
        conditions = _valid_rows(loaded, CONDITIONS, CONDITION_MASK, path)
        widths = (latents.shape[1], conditions.shape[1])
        size = _SIZES.get(widths)
        if size is None:
            raise DataError("tensors.width", path=path, channels=widths[0], width=widths[1])
        said, rows = _said(loaded), len(_matrix(loaded, CONDITIONS, path))
        return ForeignSong(
            latents=latents,
            conditions=conditions,
            seconds=_seconds(len(latents), size.frames_per_second),
            trainer=trainer_of(said, padded=rows > len(conditions)),
            fields={ours: said[theirs] for theirs, ours in _FIELDS.items() if theirs in said},
            name=_file_name(said),
            old_lyrics=rows == LEGACY_ROWS,
            leaked=_leaks(loaded),
        )


READER = ForeignTensors()


def trainer_of(said: Mapping[str, Json], *, padded: bool) -> str:
    """Return which trainer wrote a file, by what it says about the song and by whether it kept padding."""
    if _SIDE_STEP & said.keys():
        return "side-step"
    if "duration" not in said:
        return "sn" if said else "unknown"
    return "official" if padded else "fl"


def _seconds(frames: int, frames_per_second: float) -> float:
    """Return a length that holds exactly so many whole frames: 29 / 25 * 25 is a little less than 29."""
    seconds = frames / frames_per_second
    return seconds if int(seconds * frames_per_second) == frames else math.nextafter(seconds, math.inf)


def _said(loaded: Mapping[str, object]) -> dict[str, Json]:
    """Return what a file says about its song; what is no text, number or truth value says nothing."""
    metadata = loaded.get("metadata")
    known = metadata.items() if isinstance(metadata, dict) else ()
    return {str(name): value if isinstance(value, (bool, int, float, str)) else None for name, value in known}


def _file_name(said: Mapping[str, Json]) -> str | None:
    """Return what the audio was called, without its folder."""
    path = said.get("filename") or said.get("audio_path")
    return PureWindowsPath(path).name or None if isinstance(path, str) else None


def _valid_rows(loaded: Mapping[str, object], name: str, mask_name: str, path: Path) -> Tensor:
    """Return the rows of a tensor that are no padding, all of them finite.

    Raises:
        DataError: If tensor or mask have another shape, nothing is left, or a number is none.
    """
    tensor, mask = _matrix(loaded, name, path), loaded.get(mask_name)
    if mask is not None:
        if not isinstance(mask, Tensor) or mask.shape != tensor.shape[:1]:
            raise DataError("tensors.shape", path=path, name=mask_name, shape=_shape(mask), wanted=f"({len(tensor)})")
        tensor = tensor[mask > 0]
    if not len(tensor):
        raise DataError("tensors.empty", path=path, name=name)
    bad = int((~torch.isfinite(tensor)).any(dim=1).sum())
    if bad:
        raise DataError("tensors.not_finite", path=path, name=name, rows=bad, total=len(tensor))
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _matrix(loaded: Mapping[str, object], name: str, path: Path) -> Tensor:
    """Return a tensor of rows.

    Raises:
        DataError: If it is none.
    """
    tensor = loaded.get(name)
    if not isinstance(tensor, Tensor) or tensor.ndim != 2 or not tensor.is_floating_point():
        raise DataError("tensors.shape", path=path, name=name, shape=_shape(tensor), wanted="(rows, width)")
    return tensor


def _leaks(loaded: Mapping[str, object]) -> bool:
    """Whether the context is the target itself (official preprocessing for LoKr)."""
    target, context = loaded[LATENTS], loaded.get(CONTEXT)
    if not isinstance(target, Tensor) or not isinstance(context, Tensor) or context.ndim != 2:
        return False
    seen = context[:, : target.shape[1]]
    return seen.shape == target.shape and bool((seen.float() - target.float()).abs().mean() < LEAK)


def _shape(value: object) -> str:
    """Return a shape for a message, or what the value is instead of a tensor."""
    return str(tuple(value.shape)) if isinstance(value, Tensor) else type(value).__name__

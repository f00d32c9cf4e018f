"""Rough versions of songs, as a planning model would hand them to the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from acetune import compute
from acetune.encoding.cache import Cache
from acetune.encoding.parts import TrackParts
from acetune.families.family import ModelFamily

if TYPE_CHECKING:
    import torch
    from torch import Tensor

#: Adds a part to the cache: kind, name, tensors, and the song that is shown to people.
Write: TypeAlias = "Callable[[str, str, Mapping[str, Tensor], str], None]"


def missing_contexts(parts: Iterable[TrackParts], cache: Cache) -> tuple[TrackParts, ...]:
    """Return one track for each rough version that is not in the cache."""
    return tuple({p.context: p for p in parts if p.context and not cache.has("context", p.context)}.values())


def encode_contexts(
    missing: Iterable[TrackParts], family: ModelFamily, cache: Cache, device: torch.device, write: Write
) -> None:
    """Write the rough versions of songs whose latents are in the cache."""
    missing = tuple(missing)
    if not missing:
        return
    recoder = family.load_recoder(device)
    for p in missing:
        mean = cache.read("latents", p.latents)["mean"].float()
        write("context", p.context, {"mean": recoder.recode(mean)}, p.track.path)
    del recoder
    compute.release(device)

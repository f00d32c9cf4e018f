"""What a generated file says of itself, for machines: that it was generated, and with which settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from acetune.events import Json
from acetune.generation.planned import Piece
from acetune.generation.worn import Worn

#: What is asked for and tells nothing about the words.
_SETTINGS: Final = (
    "variant", "task", "language", "bpm", "keyscale", "timesignature", "seconds", "start", "end", "dtype", "thinking",
)  # fmt: skip
#: What may be private.
WORDS: Final = ("caption", "lyrics")


def mark_of(piece: Piece, adapters: Sequence[Worn], fingerprint: str) -> dict[str, Json]:
    """Return the settings of a piece; caption and lyrics, which may be private, only where that was asked for.

    Args:
        piece: What was made.
        adapters: That it was made with.
        fingerprint: Of the network's weights.
    """
    request = piece.request
    told = (*_SETTINGS, *WORDS) if request.include_private else _SETTINGS
    settings: dict[str, Json] = {name: getattr(request, name) for name in told}
    settings |= {"seconds": request.length, "tracks": list(request.tracks) or None}
    settings |= {"cover_strength": request.cover_strength if request.task == "cover" else None}
    worn: list[Json] = [
        {"name": one.name, "step": one.adapter.facts.step, "strength": strength}
        for one, strength in zip(adapters, piece.strengths, strict=True)
    ]
    sampling: dict[str, Json] = dict(vars(piece.sampling))
    told_apart: dict[str, Json] = {"model": fingerprint, "seed": piece.seed, "strength": piece.strength}
    known = {name: value for name, value in settings.items() if value is not None}
    return {**known, **sampling, **told_apart, "adapters": worn}

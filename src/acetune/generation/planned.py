"""The pieces of one generation: each request at each seed and strength, and the files they go to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

from acetune.errors import SettingError
from acetune.families.variant import Sampling
from acetune.generation.request import Request, file_of
from acetune.generation.worn import Worn

#: What all requests of one generation share.
_SHARED = ("variant", "model_path", "adapter", "device", "dtype")


@dataclass(frozen=True)
class Piece:
    """One file to make.

    Attributes:
        request: What was asked for.
        place: Of the request among all.
        seed: Of the noise.
        strengths: One for each adapter.
        strength: What people call the strength of all of them.
        sampling: Steps, shift, guidance and more.
        path: Where it goes.
    """

    request: Request
    place: int
    seed: int
    strengths: tuple[float, ...]
    strength: float
    sampling: Sampling
    path: Path


def pieces_of(requests: Sequence[Request], adapters: Sequence[Worn], usual: Sampling) -> tuple[Piece, ...]:
    """Return the pieces, requests outside, then seeds, then strengths.

    Raises:
        SettingError: If requests differ in model or adapter, or a file's suffix is none that can be written.
    """
    differing = [name for name in _SHARED if len({str(getattr(request, name)) for request in requests}) > 1]
    if differing:
        raise SettingError("generation.mixed", names=", ".join(differing))
    count = sum(len(request.seeds) * len(request.strengths or (None,)) for request in requests)
    names = _Names(alone=count == 1, many=len(requests) > 1)
    return tuple(
        _piece(names, request, place, (seed, strength), adapters, _sampling(request, usual))
        for place, request in enumerate(requests)
        for seed in request.seeds
        for strength in request.strengths or (None,)
    )


def _piece(
    names: _Names,
    request: Request,
    place: int,
    told: tuple[int, float | None],
    adapters: Sequence[Worn],
    sampling: Sampling,
) -> Piece:
    """Return one piece of a request, with its seed and the strength that was told for all adapters."""
    seed, strength = told
    strengths = tuple(one.at(strength) for one in adapters)
    usual = strengths[0] if len(strengths) == 1 else 1.0
    called = usual if strength is None else strength
    return Piece(request, place, seed, strengths, called, sampling, names.path(request, place, called, seed))


class _Names:
    """Gives each piece its file: told apart by name, strength and seed; one that exists only where it was named."""

    def __init__(self, *, alone: bool, many: bool) -> None:
        self._alone, self._many, self._taken = alone, many, set[Path]()

    def path(self, request: Request, place: int, strength: float, seed: int) -> Path:
        """Return the file of a piece."""
        parts = [request.variant]
        if request.name or self._many:
            parts.append(request.name or f"{place + 1:03d}")
        if request.adapter:
            parts.append(f"x{strength:g}")
        path = file_of(request, [*parts, f"seed{seed}"], alone=self._alone)
        number, free = 2, path
        while free in self._taken or (free.exists() and not request.names_file):
            free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
        self._taken.add(free)
        return free


def _sampling(request: Request, usual: Sampling) -> Sampling:
    """Return how to sample: the variant's way where the request leaves it open."""
    asked = {field.name: getattr(request, field.name) for field in fields(Sampling)}
    return replace(usual, **{name: value for name, value in asked.items() if value is not None})

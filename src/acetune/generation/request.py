"""What to generate, and which values make sense."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from acetune.audio import files as audio_files
from acetune.data.fields import read_field
from acetune.errors import SettingError
from acetune.recipe import Recipe, resolve

#: Longest piece that the models were trained for.
_MOST_SECONDS: Final = 600.0
#: Beats per minute that ACE-Step 1.5 was trained with.
_SLOWEST, _FASTEST = 30, 300
_METRES: Final = ("2", "3", "4", "6")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to generate. One piece for each seed and strength.

    Attributes:
        caption: Style, instruments, mood, the trigger word included.
        lyrics: Words with section tags; None for instrumental.
        language, bpm, keyscale, timesignature: As in a data set; None for unknown.
        seconds: Length.
        variant, model_path: Which network, and where its weights are.
        adapter: An adapter that acetune wrote.
        strengths: Of the adapter: 0 is the base network, 1 what was trained.
        seeds: Of the starting noise.
        steps, shift, guidance: None for what is right for the variant.
        out: A .wav, .flac or .ogg file, or a folder; the current folder where None.
        device, dtype: As the knobs of these names.
    """

    caption: str
    lyrics: str | None = None
    language: str | None = None
    bpm: float | None = None
    keyscale: str | None = None
    timesignature: str | None = None
    seconds: float = 30.0
    variant: str = "tiny"
    model_path: str | None = None
    adapter: str | Path | None = None
    strengths: tuple[float, ...] = (1.0,)
    seeds: tuple[int, ...] = (0,)
    steps: int | None = None
    shift: float | None = None
    guidance: float | None = None
    out: str | Path | None = None
    device: str = "auto"
    dtype: str = "auto"


def checked(request: Request) -> Request:
    """Return a request with its metas in ACE-Step's spelling, as a data set has them.

    Raises:
        SettingError: For values that make no sense.
    """
    if not 0 < request.seconds <= _MOST_SECONDS:
        raise SettingError("generation.seconds", seconds=request.seconds, longest=_MOST_SECONDS)
    for name in ("steps", "shift", "guidance"):
        value = getattr(request, name)
        if value is not None and not 0 < value <= 1000:
            raise SettingError("generation.bad_value", name=name, value=value)
    if request.adapter is None and request.strengths != (1.0,) and any(request.strengths):
        raise SettingError("generation.no_adapter")
    metas: dict[str, Any] = {name: _read(name, getattr(request, name)) for name in ("language", "keyscale")}
    return replace(request, bpm=_tempo(request.bpm), timesignature=_metre(request.timesignature), **metas)


def recipe_of(request: Request) -> Recipe:
    """Return the knobs that a request sets."""
    layer = {
        "model.variant": request.variant, "model.path": request.model_path,
        "compute.device": request.device, "compute.dtype": request.dtype,
    }  # fmt: skip
    return resolve([("request", layer)]).recipe


def targets_of(request: Request) -> tuple[tuple[int, float, Path], ...]:
    """Return seed, strength and file of each piece.

    Raises:
        SettingError: If the file's suffix is none that can be written.
    """
    pieces = [(seed, strength) for seed in request.seeds for strength in request.strengths]
    return tuple((seed, strength, _target(request, seed, strength, len(pieces))) for seed, strength in pieces)


def _read(name: str, text: str | None) -> object:
    """Return a language or a key; None for "unknown" and the like."""
    try:
        return read_field(name, text)
    except ValueError as cause:
        raise SettingError(f"generation.bad_{name}", value=text) from cause


def _tempo(bpm: float | None) -> float | None:
    """Return a tempo that the models know."""
    if bpm is not None and not _SLOWEST <= bpm <= _FASTEST:  # not a number is in no range
        raise SettingError("generation.bad_bpm", value=bpm, least=_SLOWEST, most=_FASTEST)
    return bpm


def _metre(text: str | None) -> str | None:
    """Return a metre that the models know."""
    metre = _read("timesignature", text)
    if metre is not None and metre not in _METRES:
        raise SettingError("generation.bad_timesignature", value=text)
    return None if metre is None else str(metre)


def _target(request: Request, seed: int, strength: float, count: int) -> Path:
    """Return the file of one piece; several pieces are told apart by seed and strength."""
    out = Path(request.out or "")
    parts = [request.variant, *([f"x{strength:g}"] if request.adapter else []), f"seed{seed}"]
    if out.suffix.lower() in audio_files.WRITE_SUFFIXES:
        return out if count == 1 else out.with_name(f"{out.stem}-{'-'.join(parts[1:])}{out.suffix}")
    if out.suffix and not out.is_dir():
        raise SettingError("generation.suffix", suffix=out.suffix, known=" ".join(sorted(audio_files.WRITE_SUFFIXES)))
    return _free(out / f"acetune-{'-'.join(parts)}.flac")


def _free(path: Path) -> Path:
    """Return this file, or the first of -2, -3, ... that does not exist: nothing made earlier is lost."""
    number, free = 2, path
    while free.exists():
        free, number = path.with_stem(f"{path.stem}-{number}"), number + 1
    return free

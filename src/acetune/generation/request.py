"""What to generate, and which values make sense."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from acetune.audio import files as audio_files
from acetune.data.fields import read_field
from acetune.errors import SettingError
from acetune.families.tasks import TEXT_TO_MUSIC
from acetune.generation.windows import LONGEST_SECONDS, with_source
from acetune.recipe import Recipe, family_of, resolve

#: Length of a piece that is made from nothing.
_SECONDS: Final = 30.0
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
        seconds: Length; None for that of the source, and 30 s without one.
        task: "text2music", or what to do with a source (`acetune.families.tasks.Task`).
        source: The music that a task begins with; an audio file.
        start, end: Seconds of the source between which to repaint, or to add a part; an end behind the source's own
            goes on with it. None for its beginning and its end.
        tracks: Which parts to extract, to add or to complete with.
        cover_strength: Share of the sampling steps that see the codes of the source, from 0 to 1.
        thinking: Whether the family's language model plans the music first, as ComfyUI's text node and the official app
            do by default; all pieces of a request share its plan, which follows from the first seed.
        variant, model_path: Which network, and where its weights are.
        adapter: An adapter that acetune wrote, or several; ``FILE:0.8`` has a strength of its own.
        strengths: Of all adapters: 0 is the base network, 1 what was trained. None for what each recommends.
        seeds: Of the starting noise.
        steps, shift, guidance: None for what is right for the variant.
        solver, guide, guidance_lyrics, guidance_interval, against: As `acetune.families.variant.Sampling` has them, for
            variants that let choose; None for what is right.
        name: Begins the name of a file that is not named by ``out``.
        out: A .wav, .flac, .mp3 or .ogg file, or a folder; the current folder where None.
        format: Suffix of files in a folder, without the dot.
        include_private: Whether caption and lyrics stand in the file's mark.
        device, dtype: As the knobs of these names.
    """

    caption: str
    lyrics: str | None = None
    language: str | None = None
    bpm: float | None = None
    keyscale: str | None = None
    timesignature: str | None = None
    seconds: float | None = None
    task: str = "text2music"
    source: str | Path | None = None
    start: float | None = None
    end: float | None = None
    tracks: tuple[str, ...] = ()
    cover_strength: float = 1.0
    thinking: bool = False
    variant: str = "tiny"
    model_path: str | None = None
    adapter: str | Path | Sequence[str | Path] | None = None
    strengths: tuple[float, ...] | None = None
    seeds: tuple[int, ...] = (0,)
    steps: int | None = None
    shift: float | None = None
    guidance: float | None = None
    solver: str | None = None
    guide: str | None = None
    guidance_lyrics: float | None = None
    guidance_interval: float | None = None
    against: str | None = None
    name: str | None = None
    out: str | Path | None = None
    format: str = "flac"
    include_private: bool = False
    device: str = "auto"
    dtype: str = "auto"

    @property
    def length(self) -> float:
        """Seconds of the piece, once `checked` has found them."""
        return _SECONDS if self.seconds is None else self.seconds

    @property
    def names_file(self) -> bool:
        """Whether ``out`` is a file and no folder."""
        return Path(self.out or "").suffix.lower() in audio_files.WRITE_SUFFIXES


def checked(request: Request) -> Request:
    """Return a request with its length, and its metas in ACE-Step's spelling, as a data set has them.

    Raises:
        SettingError: For values that make no sense, and tasks that the variant cannot do.
        DataError: If the source cannot be read.
    """
    if request.thinking and request.task != TEXT_TO_MUSIC.name:
        raise SettingError("generation.thinking", task=request.task)
    request = with_source(request)
    if not 0 < request.length <= LONGEST_SECONDS:
        raise SettingError("generation.seconds", seconds=request.length, longest=LONGEST_SECONDS)
    _check_sampling(request)
    if not request.seeds:
        raise SettingError("generation.nothing")
    for strength in request.strengths or ():
        if not math.isfinite(strength):
            raise SettingError("generation.bad_value", name="strength", value=strength)
    if request.adapter is None and any(strength not in (0.0, 1.0) for strength in request.strengths or ()):
        raise SettingError("generation.no_adapter")
    if f".{request.format}" not in audio_files.WRITE_SUFFIXES:
        raise _unwritable(f".{request.format}")
    metas: dict[str, Any] = {name: _read(name, getattr(request, name)) for name in ("language", "keyscale")}
    return replace(request, bpm=_tempo(request.bpm), timesignature=_metre(request.timesignature), **metas)


def recipe_of(request: Request) -> Recipe:
    """Return the knobs that a request sets."""
    layer = {
        "model.variant": request.variant, "model.path": request.model_path,
        "compute.device": request.device, "compute.dtype": request.dtype,
    }  # fmt: skip
    return resolve([("request", layer)]).recipe


def file_of(request: Request, parts: Sequence[str], *, alone: bool) -> Path:
    """Return the file of one piece.

    Args:
        request: What was asked for.
        parts: What tells it from the others: model, name, strength, seed.
        alone: Whether it is the only one, and may have exactly the name that was asked for.

    Raises:
        SettingError: If the suffix of ``out`` is none that can be written.
    """
    out = Path(request.out or "")
    if request.names_file:
        return out if alone else out.with_name(f"{out.stem}-{'-'.join(parts[1:])}{out.suffix}")
    if out.suffix and not out.is_dir():
        raise _unwritable(out.suffix)
    return out / f"acetune-{'-'.join(parts)}.{request.format}"


def _check_sampling(request: Request) -> None:
    """Refuse numbers that make no sense, and ways to sample that the variant does not have."""
    most = {"steps": 1000, "shift": 1000, "guidance": 1000, "guidance_lyrics": 1000, "guidance_interval": 1}
    for name, largest in most.items():
        value = getattr(request, name)
        if value is not None and not 0 < value <= largest:
            raise SettingError("generation.bad_value", name=name, value=value)
    choices = family_of(request.variant)[1].samplings
    for name, known in (("solver", choices.solvers), ("guide", choices.guides), ("against", choices.against)):
        value = getattr(request, name)
        if value is not None and value not in known:
            listed = ", ".join(known)
            raise SettingError("generation.not_sampled", variant=request.variant, name=name, value=value, known=listed)
    if request.guidance_interval is not None and not choices.intervals:
        raise SettingError("generation.every_step", variant=request.variant)
    if request.guidance_lyrics is not None and request.guide != "double":
        raise SettingError("generation.lyrics_alone", variant=request.variant)


def _unwritable(suffix: str) -> SettingError:
    """Return what is said about a suffix that no file can have."""
    return SettingError("generation.suffix", suffix=suffix, known=" ".join(sorted(audio_files.WRITE_SUFFIXES)))


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

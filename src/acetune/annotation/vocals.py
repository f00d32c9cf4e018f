"""Where somebody sings: the voice alone by Demucs, if it is installed and its weights are here, and when it sounds.

Cutting a song where the voice rests helps a recogniser more than its own windows do (arXiv 2506.15514).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from acetune import compute
from acetune.annotation import checkpoints
from acetune.annotation.annotator import Setup, Song
from acetune.annotation.loading import empty, load_errors, out_of_memory, unloadable
from acetune.annotation.recognisers import RATE_HZ
from acetune.annotation.windows import Window
from acetune.audio import files as audio_files
from acetune.audio.signal import Samples, resample
from acetune.errors import MissingDependency, Stopped
from acetune.events import Job

if TYPE_CHECKING:
    import torch

#: What isolates the voice of a song: mono at `RATE_HZ`, as long as the song.
Isolate: TypeAlias = Callable[[Song], Samples]

#: By which the user may choose weights, and fetch the published ones.
NAME: Final = "vocals"
_STAGE: Final = "vocals"
#: Classes that a file of weights may name; its metadata could name any code of this machine.
_CLASSES: Final = frozenset({"demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs"})

_FRAME_SECONDS: Final = 0.05
#: A voice is louder than this, and not so much softer than its own loud parts (RMS of 50 ms, in dB).
_FLOOR_DB, _RANGE_DB = -50.0, 30.0
#: Rests that are shorter do not end a phrase; what is shorter is no phrase. Phrases get some air around them.
_REST_SECONDS, _LEAST_SECONDS, _AIR_SECONDS = 0.6, 0.3, 0.2


def find(setup: Setup) -> Path | None:
    """Return the folder of Demucs' weights; None where they or the package are not here."""
    if find_spec("demucs") is None:
        return None
    try:
        return checkpoints.own(setup, NAME)
    except MissingDependency:
        return None


def check(setup: Setup) -> None:
    """Make sure that weights which the user chose can be used.

    Raises:
        MissingDependency: If they or the package are not here.
        DataError: If the folder that the user named holds no checkpoint.
    """
    if NAME in setup.model_ids:
        if find_spec("demucs") is None:
            raise MissingDependency("listening.needs_demucs")
        checkpoints.own(setup, NAME)


@contextmanager
def opened_isolation(folder: Path, device: str, job: Job) -> Iterator[Isolate]:
    """Yield a function that returns the voice of a song.

    Raises:
        DataError: If the folder holds no weights of Demucs.
        OutOfMemory: If the device has no room for them.
    """
    where = compute.device(device)
    with out_of_memory():
        model = _model(next(iter(sorted(folder.glob("*.safetensors"))))).to(where)
    try:
        yield partial(_isolated, model, where, job)
    finally:
        empty(model, where)


def voiced(voice: Samples) -> tuple[tuple[float, float], ...]:
    """Return when the voice of a song sounds, as (start, end) in seconds.

    Args:
        voice: Mono at `RATE_HZ`, with little else in it.
    """
    size = round(_FRAME_SECONDS * RATE_HZ)
    frames = voice[: len(voice) // size * size].reshape(-1, size)
    if not len(frames):
        return ()
    level = 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-12)
    loud = level > max(_FLOOR_DB, float(np.percentile(level, 95)) - _RANGE_DB)
    phrases: list[list[float]] = []
    for start, stop in _runs(loud):
        if phrases and start * _FRAME_SECONDS - phrases[-1][1] < _REST_SECONDS:
            phrases[-1][1] = stop * _FRAME_SECONDS
        else:
            phrases.append([start * _FRAME_SECONDS, stop * _FRAME_SECONDS])
    return tuple((start, stop) for start, stop in phrases if stop - start >= _LEAST_SECONDS)


def share(phrases: tuple[tuple[float, float], ...], seconds: float) -> float:
    """Return the share of a song in which the voice sounds."""
    return sum(stop - start for start, stop in phrases) / seconds if seconds else 0.0


def pieces(voice: Samples, phrases: tuple[tuple[float, float], ...], seconds: float) -> tuple[Window, ...]:
    """Return the voice in pieces of at most so many seconds that begin and end where it rests, if it rests."""
    groups: list[list[float]] = []
    for start, stop in _short(phrases, seconds - 2 * _AIR_SECONDS):
        if groups and stop - groups[-1][0] <= seconds - 2 * _AIR_SECONDS:
            groups[-1][1] = stop
        else:
            groups.append([start, stop])
    found = []
    for start, stop in groups:
        first = max(0, round((start - _AIR_SECONDS) * RATE_HZ))
        found.append(Window(first / RATE_HZ, voice[first : round((stop + _AIR_SECONDS) * RATE_HZ)]))
    return tuple(found)


def _short(phrases: tuple[tuple[float, float], ...], seconds: float) -> Iterator[tuple[float, float]]:
    """Yield phrases; one that is too long is cut into equal parts."""
    for start, stop in phrases:
        count = max(1, -int(-(stop - start) // seconds))
        for part in range(count):
            yield start + (stop - start) * part / count, start + (stop - start) * (part + 1) / count


def _runs(loud: np.ndarray[Any, np.dtype[np.bool_]]) -> Iterator[tuple[int, int]]:
    """Yield where runs of true values begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], loud, [False]]).astype(np.int8)))
    for start, stop in edges.reshape(-1, 2):
        yield int(start), int(stop)


def _isolated(model: Any, where: torch.device, job: Job, song: Song) -> Samples:
    """Return the voice of a song."""
    import torch
    from demucs.apply import apply_model

    def listen(_: Mapping[str, object]) -> None:
        if job.stop_requested():
            raise Stopped("job.stopped", stage=_STAGE)

    rate = int(model.samplerate)
    audio = torch.from_numpy(np.ascontiguousarray(audio_files.read(song.path, rate).T))
    mean, spread = audio.mean(), audio.mean(dim=0).std() + 1e-8  # as Demucs' own program prepares a song
    with out_of_memory(), torch.inference_mode():
        stems = apply_model(
            model, (audio[None] - mean) / spread, shifts=0, split=True, overlap=0.25, device=where, callback=listen
        )
    voice = stems[0, model.sources.index("vocals")].mean(dim=0).cpu()
    return resample((voice * spread + mean).numpy(), rate, RATE_HZ)


def _model(file: Path) -> Any:
    """Return one model of Demucs, frozen.

    Raises:
        DataError: If the file holds something else.
    """
    from demucs.hf import load_safetensors_model
    from safetensors import SafetensorError, safe_open

    refused: tuple[type[Exception], ...] = (*load_errors(), SafetensorError)
    try:
        with safe_open(file, framework="np") as tensors:
            facts = tensors.metadata() or {}
        if facts.get("klass") not in _CLASSES or "structure" in facts:
            raise unloadable(file, "it is no model of Demucs")
        model = load_safetensors_model(file)
    except refused as cause:
        raise unloadable(file, cause) from cause
    if "vocals" not in model.sources:
        raise unloadable(file, "it does not part voices from the rest")
    return model.eval().requires_grad_(False)

"""A run as a small zip file that repeats it: recipe, hashes, versions, seeds and losses.

Nothing in it says what the songs are called or what is sung: songs are content hashes, paths are gone from the recipe.
"""

from __future__ import annotations

import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from platform import machine, python_version, system
from typing import Annotated, Final, cast

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, JsonValue, PositiveInt, ValidationError

from acetune import __version__, files
from acetune.errors import DataError, SettingError
from acetune.events import Json, Noticed, StageStarted, StepDone
from acetune.monitor.summary import summarise
from acetune.recipe import Recipe
from acetune.run import Run
from acetune.sharing.songs import songs_in
from acetune.training import checkpoint
from acetune.workspace import Workspace

#: Layout of a bundle; newer ones are refused.
VERSION: Final = 1
_ENTRY: Final = "bundle.json"
#: Larger ones are none of ours.
_MOST_BYTES: Final = 64_000_000
#: What zipfile raises for files that are damaged, encrypted or packed in a way that it does not know.
_DAMAGES: Final = (OSError, ValueError, KeyError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile)
#: Libraries whose versions decide about the last digits.
LIBRARIES: Final = ("torch", "diffusers", "transformers", "peft", "accelerate")
#: Knobs that say where something lies on this machine.
_PLACES: Final = (
    ("data", "dataset", ""),
    ("model", "path", None),
    ("adapter", "start", None),
    ("preview", "prompts", None),
)


@dataclass(frozen=True)
class Bundle:
    """What is needed to repeat a run, and what came of it.

    Attributes:
        name: Of the run.
        recipe: Its knobs, without paths.
        removed: Knobs that held a path, the data set apart.
        versions: Library to version; "python", "system" and "acetune" too.
        model: Fingerprint of the network's weights.
        parts: Hash of songs and texts as they were encoded.
        songs: Content hash of the audio and part (train, validation) of each song, in the order of the training.
        threads, dtype: Of the processor, and of the frozen weights.
        steps: Step and loss of each update.
        validations: Step, loss and difference of each validation.
        verdict: As in the report.
    """

    name: str
    recipe: Mapping[str, Json]
    removed: tuple[str, ...]
    versions: Mapping[str, str]
    model: str
    parts: str
    songs: tuple[tuple[str | None, str], ...]
    threads: int
    dtype: str
    steps: tuple[tuple[int, float], ...]
    validations: tuple[tuple[int, float, float], ...] = ()
    verdict: Mapping[str, Json] = field(default_factory=dict)


def bundle(run: str | Path, *, out: str | Path | None = None, home: str | Path | None = None) -> Path:
    """Write the bundle of a run.

    Args:
        run: Name or folder.
        out: The zip file; ``<run>-bundle.zip`` where None.
        home: Workspace folder.

    Raises:
        SettingError: If there is no such run, nothing of it was trained and saved, or no recipe repeats it.
        DiskFull, NotWritable: As the file system says.
    """
    found = Run(Workspace.at(home).find_run(run))
    target = Path(out or f"{found.name}-bundle.zip")
    text = json.dumps({"version": VERSION, "made_by": "acetune", **asdict(bundle_of(found))}, indent=1)
    with files.draft_file(target) as draft, zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(_ENTRY), text, zipfile.ZIP_DEFLATED)
    return target


def bundle_of(run: Run) -> Bundle:
    """Return the bundle of a run (raises as `bundle`)."""
    newest, summary = checkpoint.newest(run), summarise(run)
    if newest is None or not summary.steps:
        raise SettingError("sharing.untrained", run=run.name)
    reason = unrepeatable(run)
    if reason:
        raise reason
    state = newest[0]
    recipe, removed = _without_places(summary.recipe)
    return Bundle(
        name=run.name,
        recipe=recipe,
        removed=removed,
        versions=versions(),
        model=str(summary.result.get("fingerprint", "")),
        parts=state.parts,
        songs=songs_of(run),
        threads=state.threads,
        dtype=state.dtype,
        steps=tuple((event.step, event.loss) for event in summary.steps),
        validations=tuple((event.step, event.loss, event.difference) for event in summary.validations),
        verdict=cast("Mapping[str, Json]", vars(summary.verdict) if summary.verdict else {}),
    )


def unrepeatable(run: Run) -> SettingError | None:
    """Return why no single recipe repeats a run; None where one does."""
    totals: dict[int | None, None] = {}  # the learning rate of a step follows from the length that was meant then
    total = None
    for event in run.history():
        if isinstance(event, StageStarted) and event.stage == "train":
            total = event.total
        elif isinstance(event, StepDone):
            totals[total] = None
        elif isinstance(event, Noticed) and event.code == "training.smaller":
            return SettingError("sharing.made_smaller", run=run.name)
    if len(totals) < 2:
        return None
    return SettingError("sharing.extended", run=run.name, steps=", ".join(map(str, totals)))


def read_bundle(path: Path) -> Bundle:
    """Return what `bundle` wrote.

    Raises:
        SettingError: If there is no such file, or a newer acetune wrote it.
        DataError: If it is no bundle, or a damaged one.
    """
    if not path.is_file():
        raise SettingError("sharing.no_bundle", path=path)
    try:
        return _Words.read(_unpacked(path), path)
    except ValidationError as cause:
        wrong = cause.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, wrong['loc']))} {wrong['msg']}".strip()
        raise DataError("sharing.bad_bundle", path=path, cause=what) from cause


def _unpacked(path: Path) -> bytes:
    """Return the JSON of a bundle (raises as `read_bundle`)."""
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(_ENTRY).file_size > _MOST_BYTES:
                raise DataError("sharing.bad_bundle", path=path, cause=f"{_ENTRY} is too large")
            return archive.read(_ENTRY)
    except _DAMAGES as cause:
        text = " ".join(str(cause).split())
        raise DataError("sharing.bad_bundle", path=path, cause=text or type(cause).__name__) from cause


class _Version(BaseModel):
    """What every bundle says, whatever else its version knows."""

    version: int


class _Words(BaseModel):
    """What is said in a bundle of this version; names are those of `Bundle`."""

    model_config = ConfigDict(extra="forbid", strict=True)
    version: int
    made_by: str
    name: str
    recipe: dict[str, JsonValue]
    removed: tuple[str, ...]
    versions: dict[str, str]
    model: str
    parts: str
    songs: tuple[tuple[str | None, str], ...]
    threads: PositiveInt
    dtype: str
    steps: Annotated[tuple[tuple[PositiveInt, FiniteFloat], ...], Field(min_length=1)]
    validations: tuple[tuple[int, float, float], ...]
    verdict: dict[str, JsonValue]

    @classmethod
    def read(cls, text: bytes, path: Path) -> Bundle:
        """Return the bundle that a text says.

        Raises:
            SettingError: If a newer acetune wrote it.
            ValidationError: If it is none.
        """
        if _Version.model_validate_json(text).version != VERSION:
            raise SettingError("sharing.newer_bundle", path=path, known=VERSION)
        return Bundle(**cls.model_validate_json(text).model_dump(exclude={"version", "made_by"}))


def songs_of(run: Run) -> tuple[tuple[str | None, str], ...]:
    """Return content hash and part of each song of a run, in the order of the training."""
    return tuple((song.audio_sha256, song.part) for song in songs_in(run))


def versions() -> dict[str, str]:
    """Return the versions of what decides about the last digits."""
    libraries = {name: metadata.version(name) for name in LIBRARIES}
    return {"acetune": __version__, "python": python_version(), "system": f"{system()} {machine()}", **libraries}


def _without_places(recipe: Recipe) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return a recipe without paths of this machine, and the knobs that had one."""
    values = recipe.model_dump(mode="json")
    removed = []
    for section, knob, empty in _PLACES:
        if values[section][knob] != empty:
            removed.append(f"{section}.{knob}")
        values[section][knob] = empty
    return values, tuple(name for name in removed if name != "data.dataset")

"""One file of another trainer becomes an encoded song and its track: what a child process of the importer does."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from acetune import catalog
from acetune.data.captions import forms
from acetune.data.fields import read_fields
from acetune.data.listing import ENCODED_SUFFIX
from acetune.data.rows import to_row, to_track
from acetune.data.track import DESCRIPTION, Mark, Source, Track
from acetune.encoding import encoded_songs
from acetune.encoding.encoded_songs import Facts
from acetune.errors import DataError
from acetune.events import Json, plain
from acetune.families.family import Prompt
from acetune.families.pickles import unpickle
from acetune.files import content_hash

if TYPE_CHECKING:
    from acetune.families.foreign import ForeignSong, TensorReader


@dataclass(frozen=True)
class Request:
    """What a child process is asked to do.

    Attributes:
        source: The other trainer's file.
        target: Where the encoded song goes.
        trigger: Activation word of all songs, for those that have none of their own.
        position: Where the trigger stands in a caption.
        keep: Whether the conditions are kept beside the latents.
    """

    source: str
    target: str
    trigger: str | None
    position: str
    keep: bool


@dataclass(frozen=True)
class Converted:
    """An encoded song that waits in a file, its track (whose path is not known yet), and what is to be known of it."""

    file: Path
    source: str
    track: Track
    facts: Facts
    findings: tuple[DataError, ...]


def to_text(request: Request) -> str:
    """Return a request as text, which is what child processes are given."""
    return json.dumps(asdict(request))


def convert(request: str) -> Json:
    """Write the encoded song of a file and return what `read_answer` reads. Runs in a child process.

    Raises:
        DataError: If the file is no encoded song, is unsafe or broken, or has tensors that cannot be used.
        DiskFull, NotWritable: As the file system says.
    """
    asked = Request(**json.loads(request))
    path = Path(asked.source)
    loaded = unpickle(path)
    family, reader = _reader(loaded if isinstance(loaded, dict) else {}, path)
    song = reader.read(cast("Mapping[str, object]", loaded), path)
    track, findings = _track(song, path, asked.trigger)
    prompt = _encoded_prompt(track, asked.position)
    facts = Facts(
        family=family,
        trainer=song.trainer,
        dtype=str(song.latents.dtype).removeprefix("torch."),
        source=content_hash(path),
        old_lyrics=song.old_lyrics,
        leaked=song.leaked,
        text=encoded_songs.name_of_text(prompt),
        lyrics=encoded_songs.name_of_lyrics(prompt),
    )
    sha256 = encoded_songs.write(Path(asked.target), facts, song.latents, song.conditions if asked.keep else None)
    return {
        "row": to_row(replace(track, audio_sha256=sha256)),
        "facts": asdict(facts),
        "findings": [[f.code, {name: plain(value) for name, value in f.params.items()}] for f in findings],
    }


def read_answer(request: Request, answer: Json) -> Converted:
    """Return what `convert` made of a request."""
    said = cast("dict[str, dict[str, Json]]", answer)
    findings = cast("list[tuple[str, dict[str, Json]]]", said["findings"])
    return Converted(
        file=Path(request.target),
        source=Path(request.source).name,
        track=to_track(said["row"], request.source),
        facts=Facts(**cast("dict[str, str]", said["facts"])),  # type: ignore[arg-type]  # its own words, read back
        findings=tuple(DataError(code, **params) for code, params in findings),
    )


def _reader(loaded: Mapping[str, object], path: Path) -> tuple[str, TensorReader]:
    """Return the family that knows a file's tensors, and its reader.

    Raises:
        DataError: If none does.
    """
    for family in catalog.names("tensors"):
        reader: TensorReader = catalog.resolve("tensors", family)
        if reader.fits(loaded):
            return family, reader
    found = ", ".join(str(name) for name in loaded)[:200] or "no names"
    raise DataError("tensors.unknown", path=path, found=found)


def _track(song: ForeignSong, path: Path, trigger: str | None) -> tuple[Track, tuple[DataError, ...]]:
    """Return the track of a song, and a finding for each value that cannot be read."""
    values, findings = read_fields(song.fields, Path(path.name))
    repeats = values.get("repeats")
    track = Track(
        path=path.with_suffix(ENCODED_SUFFIX).name,
        seconds=song.seconds,
        repeats=repeats if isinstance(repeats, int) else 1,
        extra={"original_name": song.name or path.name, "encoded_by": song.trainer},
    )
    for name in DESCRIPTION:
        track = track.with_value(name, values.get(name), Mark(Source.FILE))
    return track.with_value("trigger", trigger, Mark(Source.FILE)), findings


def _encoded_prompt(track: Track, position: str) -> Prompt:
    """Return the prompt that a track's conditions were encoded from."""
    return Prompt.of(track, forms(track, None, position)["caption"], track.seconds)

"""Verbs `sample` and `collect`: one training sample, and a folder of them as lists (the nodes of seed 001)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from acetune.catalog import nearest
from acetune.data import manifest as manifests
from acetune.data.adding import arrive
from acetune.data.beside import songs_in, texts_of
from acetune.data.columns import NAMES, plain
from acetune.data.export_layouts import INSTRUMENTAL, lyrics_of
from acetune.data.fields import FIELDS, read_fields
from acetune.data.lists import Lists
from acetune.data.manifest import Manifest
from acetune.data.readings import Statement, merge
from acetune.data.rows import value_to_json
from acetune.data.scan import scan
from acetune.data.sidecars import statements_beside
from acetune.data.track import DESCRIPTION, Mark, Source, Track
from acetune.errors import DataError
from acetune.events import Job, Json
from acetune.files import content_hash, write_json

_UNREADABLE = "data.sidecar_value"
_INSTRUMENTAL = "instrumental"
_VOICE = frozenset({"lyrics", "instrumental"})


@dataclass(frozen=True)
class Sample:
    """One training sample.

    Attributes:
        audio: The song's file in the folder of samples.
        track: What is known of it.
    """

    audio: Path
    track: Track


def sample(
    audio: str | Path, folder: str | Path, fields: Mapping[str, Json] | None = None, *, job: Job | None = None
) -> Sample:
    """Put a song and what a person says of it into a folder of samples; said again, it changes the sample.

    Args:
        audio: The song; it is copied under a safe name.
        folder: The folder of samples; made if there is none.
        fields: Field of a track, such as caption, lyrics, bpm, keyscale or language, to its value in any usual
            spelling. A tempo of 0 and empty texts are missing; the language "instrumental" and the lyrics
            "[Instrumental]" make the song instrumental.
        job: Whom to report to, and who may stop it.

    Raises:
        DataError: If the audio or a field cannot be read.
        Stopped: If asked to stop.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    audio, folder = Path(audio), Path(folder)
    if not audio.is_file():
        raise DataError("share.no_file", path=audio)
    values = _values(fields or {}, audio)
    name = _listed(folder, audio, job)
    if name is None:
        (name,) = arrive([audio], folder, job or Job()).songs
    path = folder / name
    _write_beside(path.with_suffix(".json"), values)
    statements = statements_beside(texts_of([path])[path], None)

    def change(current: Manifest | None) -> Manifest:
        assert current is not None  # the song was listed a moment ago
        tracks = (_said(track, statements, values) if track.path == name else track for track in current.tracks)
        return replace(current, tracks=tuple(tracks))

    tracks = manifests.update(folder, change).tracks
    return Sample(path, next(track for track in tracks if track.path == name))


def collect(folder: str | Path, *, job: Job | None = None) -> Lists:
    """Return the songs of a folder as lists of equal length, after scanning it; excluded ones are left out.

    Raises:
        DataError: As `scan` raises it.
        Stopped: If asked to stop.
        NotWritable: If the folder may not be written.
    """
    manifest = scan(folder, job=job).manifest
    tracks = [track for track in manifest.tracks if not track.excluded]
    return Lists(
        audio_files=tuple(str(manifest.audio(track).absolute()) for track in tracks),
        captions=tuple(track.caption for track in tracks),
        lyrics_list=tuple(lyrics_of(track, INSTRUMENTAL) for track in tracks),
        bpm_list=tuple(track.bpm for track in tracks),
        keyscale_list=tuple(track.keyscale for track in tracks),
        language_list=tuple(track.language or (_INSTRUMENTAL if track.instrumental else None) for track in tracks),
    )


def _values(fields: Mapping[str, Json], audio: Path) -> Mapping[str, object]:
    """Return what a person says, as `Track` holds it; aliases such as tempo and key are read too."""
    named = {}
    for name, value in fields.items():
        field = NAMES.get(plain(name))
        if field is None:
            raise DataError("share.no_field", name=name, known=", ".join(FIELDS), hint=nearest(name, FIELDS))
        named[field] = value
    values, findings = read_fields(named, audio)
    for finding in findings:
        if finding.code == _UNREADABLE:
            raise DataError("share.bad_field", field=finding.params["field"], value=finding.params["value"])
    return MappingProxyType(values)


def _listed(folder: Path, audio: Path, job: Job | None) -> str | None:
    """Return the name of a song that is in a folder already, with the same bytes."""
    if not folder.is_dir():
        return None
    manifest = manifests.read(folder)
    if manifest is None and songs_in(folder):
        manifest = scan(folder, job=job).manifest
    sha256 = content_hash(audio)
    tracks = manifest.tracks if manifest else ()
    same = (track for track in tracks if track.audio_sha256 == sha256 and (folder / track.path).is_file())
    return next((track.path for track in same), None)


def _write_beside(path: Path, values: Mapping[str, object]) -> None:
    """Write what is said now into the file beside a song; what it said before of other fields stays."""
    try:
        before = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        before = None
    old = before.items() if isinstance(before, dict) else ()
    kept = {name: value for name, value in old if name not in _silenced(values)}
    write_json(path, {**kept, **{name: value_to_json(value) for name, value in values.items()}})


def _said(track: Track, statements: Sequence[Statement], values: Mapping[str, object]) -> Track:
    """Return a track with what the files beside it say and, above that, what a person says now."""
    for name, value in merge(statements).values.items():
        if name in DESCRIPTION:
            track = track.with_value(name, value, Mark(Source.FILE), overwrite=True)
    track = replace(track, **dict.fromkeys(_silenced(values)))  # type: ignore[arg-type]  # both may be missing
    for name, value in values.items():
        if name in DESCRIPTION:
            track = track.with_value(name, value, Mark(Source.USER), overwrite=True)
        else:
            track = replace(track, **{name: value})  # type: ignore[arg-type]  # read as that field
    return track


def _silenced(values: Mapping[str, object]) -> frozenset[str]:
    """Return the fields that no longer hold: a song that gets lyrics is no instrumental, and the other way round."""
    return frozenset(_VOICE - values.keys()) if _VOICE & values.keys() else frozenset()

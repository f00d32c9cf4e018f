"""Verb `export` of data sets: one archive, folder or file for other programs and other people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

from acetune.data import manifest as manifests
from acetune.data.beside import is_song
from acetune.data.captions import trigger_of
from acetune.data.export_layouts import LAYOUTS, SongLayout, differing, read_back
from acetune.data.export_rows import official_row, official_set, place_from
from acetune.data.manifest import MANIFEST, Manifest
from acetune.data.packing import Entry, fill, pack
from acetune.data.redaction import redacted
from acetune.data.rows import to_line, to_row
from acetune.data.saved_export import save_rows
from acetune.data.settings import INNER
from acetune.data.track import Skipped
from acetune.data.twins import same_names
from acetune.errors import DataError, SettingError
from acetune.events import Job
from acetune.files import write_json

_OFFICIAL = "official"


@dataclass(frozen=True)
class ExportResult:
    """What was written.

    Attributes:
        path: The archive, folder or file.
        tracks: How many songs are in it.
        not_held: Fields that the target cannot hold as they are, with the number of songs that lose them.
        withheld: Fields that stay here, with the number of songs that have them.
        left_out: Songs that are not in it.
    """

    path: Path
    tracks: int
    not_held: Mapping[str, int]
    withheld: Mapping[str, int]
    left_out: tuple[Skipped, ...]


@dataclass(frozen=True)
class Shipment:
    """What leaves.

    Attributes:
        manifest: Songs without what stays here.
        layout: Files beside each song; None where ``metadata.jsonl`` describes all.
        absolute: Whether rows name whole paths of this machine.
    """

    manifest: Manifest
    layout: SongLayout | None
    absolute: bool


def export(
    folder: str | Path,
    *,
    to: str,
    out: str | Path,
    layout: str | None = None,
    include_private: bool = False,
    job: Job | None = None,
) -> ExportResult:
    """Write a data set for other programs, whole or not at all.

    What a target cannot hold is found by reading back what was written for it, and listed. Missing values stay
    missing. Lyrics from LRCLIB never leave.

    Args:
        folder: A scanned data set.
        to: One of `TARGETS`.
        out: The archive, folder or file; does not exist before.
        layout: One of `export_layouts.LAYOUTS` for "zip" and "sidecars".
        include_private: Let names of people, ISRC, consent, unknown columns and whole paths leave too.
        job: Whom to report to, and who may stop it.

    Raises:
        SettingError: If there is no such target or layout.
        DataError: If the data set was not scanned, a song is gone, nothing is left to write, `out` exists, or two songs
            would share the files beside them.
        MissingDependency: If a package is needed to write it.
        Stopped: If asked to stop; nothing is left.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    job, out = job or Job(), Path(out)
    target = TARGETS.get(to)
    if target is None:
        raise SettingError("share.no_target", value=to, known=", ".join(TARGETS))
    chosen = _layout(to, layout)
    manifest = manifests.load(Path(folder))
    _check_place(manifest.folder, out, to)
    complete = to in _COMPLETE and chosen is None
    staying = () if complete else _left_out(manifest, job)
    leaving, withheld = _leaving(manifest, {skip.path for skip in staying}, include_private)
    if not complete:
        triggered = (replace(track, trigger=trigger_of(track, manifest.settings.trigger)) for track in leaving.tracks)
        leaving = replace(leaving, tracks=tuple(triggered))
    not_held = target(Shipment(leaving, chosen, include_private), out, job)
    result = ExportResult(out, len(leaving.tracks), _counted(not_held), _counted(withheld), staying)
    _tell(result, layout or to, job)
    return result


def _layout(to: str, name: str | None) -> SongLayout | None:
    """Return the layout of that name, the official one where a target needs one."""
    if name is None:
        return LAYOUTS[_OFFICIAL] if to == _SIDECARS else None
    if to not in ("zip", _SIDECARS) or name not in LAYOUTS:
        raise SettingError("share.no_layout", value=name, target=to, known=", ".join(LAYOUTS))
    return LAYOUTS[name]


def _check_place(folder: Path, out: Path, to: str) -> None:
    """Refuse to overwrite, and to put copies of songs where the next scan would find them."""
    if out.exists():
        raise DataError("share.exists", path=out)
    if to not in _FILES and out.resolve().is_relative_to(folder.resolve()):
        raise DataError("share.inside", path=out, folder=folder)


def _left_out(manifest: Manifest, job: Job) -> tuple[Skipped, ...]:
    """Return the songs that other programs should not or cannot learn from."""
    skipped = []
    for track in manifest.tracks:
        if track.excluded or not is_song(Path(track.path)):
            reason = DataError("share.excluded" if track.excluded else "share.encoded", path=track.path)
            job.tell(reason, severity="info", subject=track.path)
            skipped.append(Skipped(track.path, reason.code, reason.message()))
    return tuple(skipped)


def _leaving(manifest: Manifest, staying: set[str], include_private: bool) -> tuple[Manifest, Counter[str]]:
    """Return the data set as it may leave, and what stays of its songs.

    Raises:
        DataError: If a song is gone, or none is left.
    """
    withheld: Counter[str] = Counter()
    tracks = []
    for track in manifest.tracks:
        if track.path in staying:
            continue
        if not manifest.audio(track).is_file():
            raise DataError("share.gone", path=track.path, folder=manifest.folder)
        left, kept = redacted(track, include_private=include_private)
        tracks.append(left)
        withheld.update(kept)
    if not tracks:
        raise DataError("share.nothing_left", folder=manifest.folder, count=len(staying))
    return replace(manifest, tracks=tuple(tracks)), withheld


def _archive(shipment: Shipment, out: Path, job: Job) -> Counter[str]:
    """Write one zip file."""
    entries, not_held = _entries(shipment)
    pack(entries, out, job)
    return not_held


def _folder(shipment: Shipment, out: Path, job: Job) -> Counter[str]:
    """Write a folder of songs and what describes them."""
    entries, not_held = _entries(shipment)
    fill(entries, out, job)
    return not_held


def _entries(shipment: Shipment) -> tuple[list[Entry], Counter[str]]:
    """Return the files of a shipment, and what they cannot hold."""
    manifest, layout = shipment.manifest, shipment.layout
    entries = [Entry(track.path, manifest.audio(track)) for track in manifest.tracks]
    if layout is None:
        rows = b"".join(to_line(to_row(track)) for track in manifest.tracks)
        settings = manifest.folder / INNER / "dataset.yaml"
        inner = [Entry(f"{INNER}/{settings.name}", settings)] if settings.is_file() else []
        return [Entry(MANIFEST, rows), *inner, *entries], Counter()
    _check_names(manifest)
    not_held: Counter[str] = Counter()
    for track in manifest.tracks:
        stem = track.path.removesuffix(Path(track.path).suffix)
        entries += [Entry(stem + ending, text.encode()) for ending, text in layout.texts(track).items()]
        not_held.update(layout.not_held(track))
    return entries, not_held


def _check_names(manifest: Manifest) -> None:
    """Refuse songs that would share the files beside them."""
    for twin in same_names(manifest.tracks):
        raise DataError("share.same_name", path=twin.track, other=twin.value)


def _official_json(shipment: Shipment, out: Path, job: Job) -> Counter[str]:
    """Write the official ``dataset.json``."""
    manifest = shipment.manifest
    place = place_from(manifest, out.parent, absolute=shipment.absolute)
    not_held: Counter[str] = Counter()
    for track in manifest.tracks:
        job.check_stop("export")
        not_held.update(differing(track, read_back(official_row(track, place))))
    write_json(out, official_set(manifest, place))
    return not_held


def _saved(shipment: Shipment, out: Path, job: Job) -> Counter[str]:
    """Write v1's rows as `datasets` saves them."""
    return save_rows(shipment.manifest, out, place_from(shipment.manifest, out, absolute=shipment.absolute), job)


def _counted(fields: Counter[str]) -> Mapping[str, int]:
    """Return how many songs lose each field, the most first."""
    return MappingProxyType(dict(fields.most_common()))


def _tell(result: ExportResult, name: str, job: Job) -> None:
    """Say what does not arrive."""
    findings = (("share.not_held", "warning", result.not_held), ("share.withheld", "info", result.withheld))
    for code, severity, fields in findings:
        if fields:
            listed = ", ".join(f"{field} ({count})" for field, count in fields.items())
            job.tell(DataError(code, target=name, fields=listed), severity=severity)


_SIDECARS = "sidecars"
_FILES = frozenset({"zip", "official-json"})
#: Targets that hold everything, so that a data set comes back as it was.
_COMPLETE = frozenset({"zip", "audiofolder"})
#: What a data set can become.
TARGETS: Final[Mapping[str, Callable[[Shipment, Path, Job], Counter[str]]]] = MappingProxyType(
    {"zip": _archive, "audiofolder": _folder, "hf": _saved, "official-json": _official_json, _SIDECARS: _folder}
)

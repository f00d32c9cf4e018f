"""Rows of ACE-Step v1 in the form in which `datasets` saves them to the disk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from acetune.data.export_layouts import differing, read_back
from acetune.data.export_rows import Place, v1_row
from acetune.data.manifest import Manifest
from acetune.data.track import Track
from acetune.errors import MissingDependency
from acetune.events import Job, Json, Progress, StageEnded, StageStarted
from acetune.files import draft_folder

_STAGE = "export"
#: v1 counts a song more by writing it several times, and holds out what is in the part `test`.
_STRUCTURE = frozenset({"repeats", "split"})


def save_rows(manifest: Manifest, out: Path, place: Place, job: Job) -> Counter[str]:
    """Write v1's rows into a new folder and return the fields that they cannot hold.

    Songs that a person holds out become the part `test`, and the others `train`; without such there is one part.

    Raises:
        MissingDependency: If `datasets` is not installed.
        Stopped: If asked to stop; nothing is left.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be made.
    """
    try:
        import datasets
    except ImportError as cause:
        raise MissingDependency("share.no_datasets") from cause
    job.report(StageStarted(stage=_STAGE, total=len(manifest.tracks), unit="tracks"))
    parts: dict[str, list[Mapping[str, Json]]] = {}
    not_held: Counter[str] = Counter()
    for done, track in enumerate(manifest.tracks, start=1):
        job.check_stop(_STAGE)
        row = v1_row(track, place)
        parts.setdefault("test" if track.split == "validation" else "train", []).extend([row] * track.repeats)
        not_held.update(differing(track, read_back(row)) - _STRUCTURE)
        job.report(Progress(stage=_STAGE, done=done, total=len(manifest.tracks), item=track.path))
    features = _features(datasets, manifest.tracks)
    saved = {name: datasets.Dataset.from_list(rows, features=features) for name, rows in parts.items()}
    whole = datasets.DatasetDict(saved) if "test" in saved else saved["train"]
    with _quiet(datasets), draft_folder(out) as draft:
        whole.save_to_disk(str(draft))
    job.report(StageEnded(stage=_STAGE, result={"tracks": len(manifest.tracks)}))
    return not_held


def _features(datasets: Any, tracks: tuple[Track, ...]) -> Any:
    """Return the columns of v1; every kind of caption that a song has is a field of all, empty where it has none."""
    text = datasets.Value("string")
    kinds = sorted({kind for track in tracks for kind in (track.recaption or {})} | _captions(tracks))
    return datasets.Features(
        {
            "keys": text,
            "filename": text,
            "tags": datasets.Sequence(text),
            "speaker_emb_path": text,
            "norm_lyrics": text,
            "recaption": {kind: text for kind in kinds},
        }
    )


def _captions(tracks: tuple[Track, ...]) -> set[str]:
    """Return the kind of caption that a caption beside tags becomes, if any song has that."""
    return {"caption"} if any(track.tags and track.caption for track in tracks) else set()


@contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Keep the library from drawing bars of its own."""
    shown = not datasets.utils.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()

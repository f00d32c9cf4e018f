"""Fetches published weights from the hub. No torch.

Downloads go to the workspace's folder of models in the official app's layout. A file in progress ends in ``.part``;
a cut download goes on from its last byte, also after the process was killed, and a file gets its name only when its
length and its SHA-256 are those that the hub states. ``HF_ENDPOINT`` (mirrors), ``HF_TOKEN`` and ``HF_HUB_OFFLINE``
are honoured by `huggingface_hub`.
"""

from __future__ import annotations

import fnmatch
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from acetune import compute, files, locks
from acetune.errors import DiskFull, DownloadFailed, MissingDependency
from acetune.events import Job, Progress, StageEnded, StageStarted
from acetune.families.tensors import read_json
from acetune.families.variant import Repository
from acetune.families.weights import RECORD, in_gb, target_of

STAGE = "download"

_PART = ".part"
_REPORT_SECONDS = 0.5
#: Tries without a single new byte before giving up, and seconds between them.
_TRIES, _PAUSE = 5, 1.0
_TIMEOUT = 30.0


@dataclass(frozen=True)
class RemoteFile:
    """A file of a repository: its path there, bytes, and SHA-256 where the hub states one (all large files)."""

    name: str
    size: int
    sha256: str | None


def download(repository: Repository, models: Path, job: Job) -> Path:
    """Fetch what is missing of a repository; finished files are kept, a cut one goes on where it stopped.

    Size and licence are announced before the first byte; progress is reported in bytes.

    Returns:
        The folder that now has the files.

    Raises:
        MissingDependency: If downloads are forbidden (``HF_HUB_OFFLINE``).
        DiskFull: If there is no room for what is missing.
        DownloadFailed: If the hub cannot be reached, refuses, or sends a damaged file.
        Stopped: If the job was asked to stop; what arrived is kept.
    """
    if compute.offline():
        raise MissingDependency("weights.offline", repository=repository.id, size=in_gb(repository.size_bytes))
    folder = target_of(repository, models)
    with files.disk_errors(folder), locks.lock(folder / ".acetune-download.lock", "weights.busy"):
        commit, listed = _listing(repository)
        missing = tuple(file for file in listed if not _is_here(folder, file))
        todo = sum(file.size - _held(folder, file) for file in missing)
        if not missing:
            return folder
        _announce(repository, folder, todo, job)
        _record(folder, listed)
        _fetch_all(repository, commit, missing, folder, job)
    return folder


def _listing(repository: Repository) -> tuple[str, tuple[RemoteFile, ...]]:
    """Return the commit of a repository and the files that are wanted of it.

    Raises:
        DownloadFailed: If the hub cannot be reached or has no such files.
    """
    from huggingface_hub import HfApi

    try:
        info = HfApi().model_info(repository.id, files_metadata=True, timeout=_TIMEOUT)
    except network_errors() as cause:
        raise _failed(repository, cause) from cause
    listed = tuple(
        RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else None)
        for file in info.siblings or ()
        if any(fnmatch.fnmatchcase(file.rfilename, pattern) for pattern in repository.patterns)
    )
    if not listed or info.sha is None:
        raise DownloadFailed("weights.nothing_published", repository=repository.id, wanted=repository.patterns)
    return info.sha, listed


def _announce(repository: Repository, folder: Path, todo: int, job: Job) -> None:
    """Say what will be fetched, under which licence; refuse before the first byte where there is no room.

    Raises:
        DiskFull: If there is no room.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < todo:
        raise DiskFull("weights.no_room", path=folder, size=in_gb(todo), free=in_gb(free))
    facts = {"size": in_gb(todo), "repository": repository.id, "licence": repository.licence, "folder": folder}
    job.tell(MissingDependency("weights.downloading", **facts), severity="info", subject=repository.id)
    job.report(StageStarted(stage=STAGE, total=todo, unit="bytes"))


def _fetch_all(repository: Repository, commit: str, missing: tuple[RemoteFile, ...], folder: Path, job: Job) -> None:
    """Fetch files one after another."""
    from huggingface_hub import hf_hub_url

    meter = _Meter(job, sum(file.size - _held(folder, file) for file in missing))
    for file in missing:
        url = hf_hub_url(repository.id, file.name, revision=commit)
        part = _inside(folder, file.name + _PART)
        part.parent.mkdir(parents=True, exist_ok=True)
        try:
            _fetch(url, part, file, meter)
        except network_errors() as cause:
            raise _failed(repository, cause) from cause
        if part.stat().st_size != file.size or file.sha256 not in (None, files.content_hash(part)):
            part.unlink()
            raise DownloadFailed("weights.bad_bytes", repository=repository.id, file=file.name)
        part.replace(_inside(folder, file.name))
    meter.report(force=True)
    job.report(StageEnded(stage=STAGE))


def _fetch(url: str, part: Path, file: RemoteFile, meter: _Meter) -> None:
    """Append to a part until it is whole; after a cut, try again as long as new bytes keep coming."""
    tries = _TRIES
    with part.open("ab") as out:
        while out.tell() < file.size:
            before = out.tell()
            try:
                _append(url, out, file, meter)
            except network_errors() as cause:
                tries = _TRIES if out.tell() > before else tries - 1
                if tries == 0 or _is_refusal(cause):
                    raise
                time.sleep(_PAUSE)


def _append(url: str, out: BinaryIO, file: RemoteFile, meter: _Meter) -> None:
    """Ask for the rest of a file and append what comes."""
    from huggingface_hub import get_session, get_token, hf_raise_for_status

    headers = {"Range": f"bytes={out.tell()}-", "Accept-Encoding": "identity"}
    token = get_token()
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT) as response:
        hf_raise_for_status(response)
        if response.status_code != 206:  # the server sends all of it again
            meter.done -= out.tell()
            out.seek(0)
            out.truncate()
        for chunk in response.iter_bytes():  # as they come: a cut loses nothing that arrived
            out.write(chunk)
            meter.add(len(chunk), file.name)
        out.flush()


@dataclass
class _Meter:
    """Counts bytes, reports them now and then, and passes a request to stop on."""

    job: Job
    total: int
    done: int = 0
    item: str = ""
    reported: float = 0.0

    def add(self, count: int, item: str) -> None:
        """Count bytes of a file."""
        self.job.check_stop(STAGE)
        self.done += count
        self.item = item
        self.report()

    def report(self, force: bool = False) -> None:
        """Report, at most twice a second unless forced."""
        now = time.monotonic()
        if force or now - self.reported >= _REPORT_SECONDS:
            self.reported = now
            self.job.report(Progress(stage=STAGE, done=self.done, total=self.total, item=self.item))


def network_errors() -> tuple[type[Exception], ...]:
    """Return what the hub's client raises: its own errors, and those of the HTTP library that it brings."""
    from huggingface_hub import errors

    transport: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
    return transport, errors.HfHubHTTPError, errors.OfflineModeIsEnabled


def _is_refusal(cause: Exception) -> bool:
    """Whether the hub answered with a no that will stay a no (missing, private, gated)."""
    response = getattr(cause, "response", None)
    return response is not None and 400 <= response.status_code < 500 and response.status_code not in (408, 429)


def _failed(repository: Repository, cause: Exception) -> DownloadFailed:
    """Return the error of a repository that could not be fetched."""
    first = (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")
    return DownloadFailed("weights.download_failed", repository=repository.id, cause=first)


def _inside(folder: Path, name: str) -> Path:
    """Return the place of a repository's file; the hub must not choose a place outside.

    Raises:
        DownloadFailed: If it tries.
    """
    place = (folder / name).resolve()
    if not place.is_relative_to(folder.resolve()):
        raise DownloadFailed("weights.download_failed", repository=name, cause="a file name leads out of its folder")
    return place


def _is_here(folder: Path, file: RemoteFile) -> bool:
    """Whether a file is here in its full length; it only got its name after its hash was checked."""
    place = _inside(folder, file.name)
    return place.is_file() and place.stat().st_size == file.size


def _held(folder: Path, file: RemoteFile) -> int:
    """Return how many bytes of a file an earlier try left."""
    part = _inside(folder, file.name + _PART)
    return min(part.stat().st_size, file.size) if part.is_file() else 0


def _record(folder: Path, listed: Iterable[RemoteFile]) -> None:
    """Keep what the hub stated, for later checks; several repositories may share a folder."""
    path = folder / RECORD
    known = read_json(path) if path.is_file() else {}
    files.write_json(path, known | {file.name: {"size": file.size, "sha256": file.sha256} for file in listed})

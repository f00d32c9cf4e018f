"""Publishing an adapter: a folder with its file, its card and its bundle, and its way to the Hugging Face hub."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from acetune import compute, files
from acetune.errors import DataError, DownloadFailed, MissingDependency, SettingError
from acetune.events import Job, Saved
from acetune.families.hub import network_errors
from acetune.formats.consumers import readings
from acetune.formats.sources import AdapterFile
from acetune.monitor.summary import summarise
from acetune.recipe import family_of
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.sharing.bundle import bundle, unrepeatable
from acetune.sharing.card import card
from acetune.sharing.demos import demos
from acetune.sharing.rights import rights_of
from acetune.workspace import Workspace


@dataclass(frozen=True)
class Release:
    """What a person decides about a release.

    Attributes:
        licence: Of the adapter, as the hub spells it, such as "cc-by-4.0"; None for not stated.
        audio: Generated pieces to show; each must carry acetune's mark and no words, so that nothing private leaves.
        private: Whether the repository is, where it is made.
    """

    licence: str | None = None
    audio: tuple[Path, ...] = ()
    private: bool = False


@dataclass(frozen=True)
class Pushed:
    """What was published, or would be.

    Attributes:
        folder: What lies in it is what left.
        files: Their names.
        address: Of the repository; None for a dry run.
    """

    folder: Path
    files: tuple[str, ...]
    address: str | None


def push(
    run: str | Path,
    repository: str,
    release: Release = Release(),
    *,
    dry_run: bool = False,
    home: str | Path | None = None,
    job: Job | None = None,
) -> Pushed:
    """Publish the final adapter of a run with a card and a bundle.

    Args:
        run: Name or folder.
        repository: ``user/name`` on the hub.
        release: Licence, audio.
        dry_run: Write the folder and send nothing.
        home: Workspace folder.
        job: Hears what was written and what is not known.

    Raises:
        SettingError: If there is no such run, it is not finished, or trained all weights, or the name is impossible.
        DataError: If somebody refused the use of a song, its data set is damaged, or audio may not be generated.
        MissingDependency: If this machine is told to be offline.
        DownloadFailed: If the hub cannot be reached or refuses.
    """
    found, job = Run(Workspace.at(home).find_run(run)), job or Job()
    _check_name(repository)
    _check_rights(found, job)
    folder = _prepared(found, release, job)
    names = tuple(sorted(path.name for path in folder.iterdir()))
    job.report(Saved(path=str(folder), what="release"))
    address = None if dry_run else _sent(folder, repository, private=release.private)
    return Pushed(folder, names, address)


def _check_name(repository: str) -> None:
    """Refuse what the hub would refuse as ``user/name``."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(repository)
    except HFValidationError as cause:
        raise SettingError("sharing.bad_repository", name=repository) from cause
    if repository.count("/") != 1:
        raise SettingError("sharing.bad_repository", name=repository)


def _check_rights(run: Run, job: Job) -> None:
    """Refuse a run with a song that must not be used; say where nothing is known."""
    rights = rights_of(run)
    if rights.refused:
        raise DataError("sharing.refused", run=run.name, count=rights.refused)
    if not rights.found:
        job.tell(SettingError("sharing.rights_unseen", run=run.name, folder=run.recipe.data.folder))
    elif rights.found < rights.songs or "not stated" in rights.licences:
        job.tell(SettingError("sharing.rights_unknown", run=run.name))


def _prepared(run: Run, release: Release, job: Job) -> Path:
    """Return a new folder ``hub`` of the run that holds what leaves."""
    summary = summarise(run)
    adapter = run.folder / str(summary.result.get("adapter", ""))
    if run.recipe.adapter.kind == WHOLE:
        raise SettingError("sharing.whole_model", run=run.name)
    if not adapter.is_file():
        raise SettingError("sharing.unfinished", run=run.name)
    audio, reason = demos(release.audio), unrepeatable(run)
    if reason:
        job.tell(reason, severity="info")
    folder = run.folder / "hub"
    shutil.rmtree(folder, ignore_errors=True)
    with files.draft_folder(folder) as draft:
        shutil.copyfile(adapter, draft / adapter.name)
        if not reason:
            bundle(run.folder, out=draft / "bundle.zip")
        for name, piece in audio.items():
            shutil.copyfile(piece, draft / name)
        hashes = {path.name: files.content_hash(path) for path in draft.iterdir()}
        _, variant = family_of(run.recipe.model.variant)
        text = card(summary, variant, rights_of(run), release.licence, hashes, _library(adapter))
        (draft / "README.md").write_text(text, encoding="utf-8")
    return folder


def _library(path: Path) -> str | None:
    """Return the library that loads an adapter as it was trained, by the hub's name; None where diffusers does not."""
    source = AdapterFile(path)
    adapter = source.read()
    card_of_family, _ = family_of(adapter.facts.variant)
    exact = [reading.program for reading in readings(source, adapter, card_of_family) if reading.outcome == "exact"]
    return "diffusers" if "diffusers" in exact else None


def _sent(folder: Path, repository: str, *, private: bool) -> str:
    """Send a folder to the hub and return the address there."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import LocalTokenNotFoundError

    if compute.offline():
        raise MissingDependency("sharing.offline")
    unreachable: tuple[type[Exception], ...] = (LocalTokenNotFoundError, OSError, *network_errors())
    try:
        api = HfApi()
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(folder_path=folder, repo_id=repository, commit_message="Adapter trained with acetune")
    except unreachable as cause:
        raise DownloadFailed("sharing.hub", repository=repository, cause=" ".join(str(cause).split())[:300]) from cause
    return str(address)

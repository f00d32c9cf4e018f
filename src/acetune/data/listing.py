"""The files of a folder of songs, listed once: audio, what lies beside it, and everything else."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from acetune.data.manifest import MANIFEST
from acetune.data.saved_rows import is_saved
from acetune.data.sidecars import Siblings
from acetune.errors import DataError
from acetune.events import Job

#: A folder that holds one of these is acetune's own output, not music to learn from.
_OWN_FOLDERS = frozenset({"workspace.json", "recipe.yaml"})
#: What the archiver of macOS adds.
_SHADOWS = "__MACOSX"
#: Songs that were encoded elsewhere; they count where the manifest lists them.
ENCODED_SUFFIX: Final = ".safetensors"


@dataclass(frozen=True)
class Listing:
    """The files of a folder; paths are absolute.

    Attributes:
        root: The folder.
        audio: Its audio files, in order of their names.
        others: Its other files, without the manifest.
        saved: Folders of rows that `datasets` saved.
        siblings: The files of each folder, by name.
    """

    root: Path
    audio: tuple[Path, ...]
    others: tuple[Path, ...]
    saved: tuple[Path, ...]
    siblings: Mapping[Path, Siblings]

    def name(self, file: Path) -> str:
        """Return a file's path inside the folder; bytes that are no text become question marks."""
        inside = file.relative_to(self.root) if file.is_relative_to(self.root) else file
        return inside.as_posix().encode("utf-8", "replace").decode("utf-8")


def list_files(folder: Path, job: Job) -> Listing:
    """Return the files of a folder and its subfolders; hidden ones and acetune's own output are left out.

    Args:
        folder: The folder.
        job: Hears of folders that cannot be opened.
    """
    root = Path(os.path.abspath(folder))
    saved: list[Path] = []
    files: list[Path] = []
    siblings: dict[Path, Siblings] = {}
    for here, names in _walk(root, job):
        if is_saved(names):
            saved.append(here)
        siblings[here] = Siblings.of(here, names)
        files.extend(here / name for name in names)
    audio, others = _apart(files, saved)
    manifest = root / MANIFEST
    return Listing(root, audio, tuple(file for file in others if file != manifest), _outermost(saved), siblings)


def _walk(root: Path, job: Job) -> Iterator[tuple[Path, list[str]]]:
    """Yield each folder and the names of its files, in order."""

    def closed(cause: OSError) -> None:
        name = str(cause.filename)
        job.tell(DataError("data.not_readable", path=name, cause=cause.strerror), subject=name)

    for here, folders, names in os.walk(root, onerror=closed):
        folders[:] = sorted(name for name in folders if not _is_hidden(name) and not _is_own(here, name))
        yield Path(here), sorted(name for name in names if not _is_hidden(name))


def _apart(files: Sequence[Path], saved: Sequence[Path]) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the audio and the other files; those of saved rows are neither."""
    from acetune.audio.files import AUDIO_SUFFIXES

    audio = tuple(file for file in files if file.suffix.lower() in AUDIO_SUFFIXES)
    rows = (".arrow", ".json")
    others = (file for file in files if file.suffix.lower() not in AUDIO_SUFFIXES)
    return audio, tuple(file for file in others if not (file.suffix in rows and file.parent in saved))


def _outermost(folders: Sequence[Path]) -> tuple[Path, ...]:
    """Return the folders that lie in no other one of them: the parts of saved rows belong to the whole."""
    return tuple(folder for folder in folders if not set(folder.parents) & set(folders))


def _is_hidden(name: str) -> bool:
    """Whether a file or folder is none that a person put there to be seen."""
    return name.startswith(".") or name == _SHADOWS


def _is_own(here: str, name: str) -> bool:
    """Whether a folder holds acetune's own output."""
    return any(os.path.exists(os.path.join(here, name, sign)) for sign in _OWN_FOLDERS)

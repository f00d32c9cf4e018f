"""Which files of a folder are songs, which describe one of them, and what names are in use."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from acetune.data.listing import list_files
from acetune.data.sidecars import ENDINGS, Siblings
from acetune.events import Job


def songs_in(folder: Path) -> tuple[Path, ...]:
    """Return the audio files of a folder and its subfolders as whole paths; hidden ones do not count."""
    return list_files(folder, Job()).audio


def is_song(file: Path) -> bool:
    """Whether a file's name is that of audio."""
    from acetune.audio.files import AUDIO_SUFFIXES

    return file.suffix.lower() in AUDIO_SUFFIXES


def texts_of(songs: Collection[Path], listed: Mapping[Path, Siblings] | None = None) -> dict[Path, Mapping[str, Path]]:
    """Return the text files beside each song by their endings; a folder that was not listed yet is listed once.

    Args:
        songs: Whole paths.
        listed: Folders to their files, where these are known.
    """
    siblings = dict(listed or {})
    for folder in {song.parent for song in songs} - siblings.keys():
        siblings[folder] = Siblings.of(folder, [entry.name for entry in folder.iterdir() if entry.is_file()])
    return {song: siblings[song.parent].beside(song) for song in songs}


def with_texts(songs: Collection[Path]) -> tuple[Path, ...]:
    """Return songs and the text files beside them, each song after its texts."""
    return tuple(dict.fromkeys(file for song, texts in texts_of(songs).items() for file in (*texts.values(), song)))


def stems_in(folder: Path, leaving: Collection[Path] = ()) -> set[str]:
    """Return the stems that files of a folder use, whatever their ending, casefolded.

    Args:
        folder: May be missing; it has no files then.
        leaving: Whole paths of files that do not count.
    """
    listing = list_files(folder, Job())
    stems: set[str] = set()
    for file in (*listing.audio, *listing.others):
        if file not in leaving:
            stems.add(file.stem.casefold())
            stems.update(file.name.removesuffix(ending).casefold() for ending in ENDINGS if file.name.endswith(ending))
    return stems

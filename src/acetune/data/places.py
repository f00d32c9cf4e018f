"""Where the audio is that a row names: paths of another machine, of another system, or relative to who knows what."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from acetune.audio.files import AUDIO_SUFFIXES
from acetune.data.sidecars import same

_SEPARATORS = re.compile(r"[\\/]+")
_DRIVE = re.compile(r"[A-Za-z]:$")


class Places:
    """The audio that rows may mean.

    Args:
        known: Returns absolute paths of the audio of a folder; asked once, and only if a path leads nowhere.
        outside: Whether a row may name audio elsewhere on this machine.
    """

    def __init__(self, known: Callable[[], Iterable[Path]], *, outside: bool) -> None:
        self._known, self._outside = known, outside

    def find(self, claims: Sequence[str], folder: Path) -> tuple[Path, ...]:
        """Return the audio that a row means: none, one, or several between which nobody can choose.

        Tried in turn: the path itself, from the file's folder, from the folders above it and their ``audio``, and then
        whatever of the known has that name, in a folder of the same name where there are several.

        Args:
            claims: Paths as written, the most trusted first.
            folder: Where the file with the row is.
        """
        for claim in claims:
            parts = [part for part in _SEPARATORS.split(claim) if part not in ("", ".")]
            if parts:
                found = self._by_route(claim, parts, folder) or self._by_ending(parts)
                if found:
                    return found
        return ()

    def _by_route(self, claim: str, parts: list[str], folder: Path) -> tuple[Path, ...]:
        """Return the audio at the first of the places where a path may lead."""
        for route in _routes(claim, parts, folder):
            path = self._usable(Path(os.path.normpath(route)))
            if path is not None:
                return (path,)
        return ()

    def _by_ending(self, parts: list[str]) -> tuple[Path, ...]:
        """Return the known audio whose path ends like this one, the more parts the better."""
        last = same(parts[-1])
        found = self._index.names.get(last) or self._index.stems.get(last, [])
        for depth in range(2, len(parts) + 1):
            nearer = [path for path in found if same("/".join(path.parts[-depth:-1])) == _folders(parts, depth)]
            if not nearer:
                break
            found = nearer
        return tuple(found)

    def _usable(self, path: Path) -> Path | None:
        """Return a path if it is audio that a row may name."""
        if self._outside:
            return path if path.suffix.lower() in AUDIO_SUFFIXES and os.path.isfile(path) else None
        return self._index.paths.get(str(path)) or self._index.paths.get(same(str(path)))

    @cached_property
    def _index(self) -> _Index:
        """The known audio by path, by name and by stem."""
        index = _Index({}, defaultdict(list), defaultdict(list))
        known = tuple(self._known())
        index.paths.update({**{same(str(path)): path for path in known}, **{str(path): path for path in known}})
        for path in known:
            index.names[same(path.name)].append(path)
            index.stems[same(path.stem)].append(path)
        return index


@dataclass(frozen=True)
class _Index:
    """Audio by its path, its name and its stem."""

    paths: dict[str, Path]
    names: dict[str, list[Path]]
    stems: dict[str, list[Path]]


def _routes(claim: str, parts: list[str], folder: Path) -> Iterator[Path]:
    """Yield where a path may lead, the likeliest first; one with a drive leads nowhere on another system."""
    if os.path.isabs(claim):
        yield Path(claim)
    if not os.path.isabs(claim) and not _DRIVE.match(parts[0]):
        relative = Path(*parts)
        yield folder / relative
        for above in folder.parents:
            yield above / relative
            yield above / "audio" / relative
            yield above / "audio" / parts[-1]


def _folders(parts: list[str], depth: int) -> str:
    """Return the last folders of a path, as they are compared."""
    return same("/".join(parts[-depth:-1]))

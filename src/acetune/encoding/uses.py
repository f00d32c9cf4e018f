"""Which parts of the cache a song has used, so that they can be deleted with it.

One list for each song, named by the hash of its audio and never by its name, beside the parts; deleting the lists is
safe as long as nobody asks to forget a song.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from acetune.encoding.cache import SONGS, Cache, Entry, listing
from acetune.encoding.parts import TrackParts
from acetune.files import append_line, disk_errors

#: Kind and name of a part.
Place: TypeAlias = tuple[str, str]


def record(cache: Cache, parts: Iterable[TrackParts]) -> None:
    """Add to the lists of songs what they are about to use; what stands there already costs one look.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    for p in parts:
        if p.track.audio_sha256 is None:
            continue
        path = _file(cache.root, p.track.audio_sha256)
        conditions = {"lyrics": p.lyrics, "text": p.texts}
        songs = [("latents", p.latents), *([("context", p.context)] if p.context else [])]
        wanted = [*songs, *((kind, name) for kind in conditions for name in conditions[kind].values())]
        known = _read(path)
        lines = [f"{kind} {name}\n" for kind, name in dict.fromkeys(wanted) if (kind, name) not in known]
        if lines:
            with disk_errors(path):
                path.parent.mkdir(parents=True, exist_ok=True)
            append_line(path, "".join(lines).encode("ascii"))


def used_only_by(cache: Cache, sha256: str) -> tuple[Entry, ...]:
    """Return the parts in the cache that were made for one song and for no other one."""
    own = _read(_file(cache.root, sha256))
    others = {place for path in _lists(cache.root) if path.stem != sha256 for place in _read(path)} if own else set()
    return tuple(entry for entry in listing(cache.root) if (entry.kind, entry.name) in own - others)


def unlisted(cache: Cache) -> tuple[Entry, ...]:
    """Return the parts in the cache of which no list says for which song they were made."""
    known = {place for path in _lists(cache.root) for place in _read(path)}
    return tuple(
        entry for entry in listing(cache.root) if entry.kind != "constants" and (entry.kind, entry.name) not in known
    )


def delete(cache: Cache, sha256: str, entries: Iterable[Entry]) -> int:
    """Delete parts and the list of a song, and return the bytes that became free.

    Raises:
        NotWritable: If the cache may not be written.
    """
    freed = 0
    for entry in entries:
        with disk_errors(entry.path):
            entry.path.unlink(missing_ok=True)
        freed += entry.bytes
    path = _file(cache.root, sha256)
    with disk_errors(path):
        path.unlink(missing_ok=True)
    return freed


def _lists(root: Path) -> Iterator[Path]:
    """Yield the lists of all songs."""
    yield from (root / SONGS).glob("*/*.txt")


def _read(path: Path) -> frozenset[Place]:
    """Return what a list holds; half a line names a part that was never written."""
    try:
        text = path.read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return frozenset()
    return frozenset((kind, name) for kind, _, name in (line.partition(" ") for line in text.splitlines()) if name)


def _file(root: Path, sha256: str) -> Path:
    """Return where the list of a song is."""
    return root / SONGS / sha256[:2] / f"{sha256}.txt"

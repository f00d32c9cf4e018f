"""Who a song is by, as its tags, its name or its columns say, and whether a caption says so too.

A caption that names an artist teaches the network a name in place of a sound.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from acetune.data.embedded import open_tags
from acetune.data.track import Track

#: Unknown columns that other tools write.
_COLUMNS: Final = ("artist", "artists", "artist_name", "album_artist")
#: "Artist - Title", perhaps after a number, as ripping programs name files.
_NAMED = re.compile(r"(?:\d{1,3}[\s._-]+)?(?P<artist>\S.*?)\s+[-–—]\s+\S.*")
_SEVERAL = re.compile(r"\s*(?:;|/|,|&|\bfeat\.?|\bft\.?|\bfeaturing\b|\bvs\.?|、)\s*", re.IGNORECASE)
#: What stands where nobody is named, and words that describe a sound as often as a band.
_NOBODY: Final = frozenset(
    name
    for line in (
        "unknown, unknown artist, various, various artists, va, artist, none, n/a, track, audio",
        "instrumental, demo, remix, live, piano, guitar, drums, bass, vocals, female, male, orchestra, choir",
        "rock, pop, jazz, metal, punk, soul, blues, country, folk, disco, techno, house, trance, ambient, electronic",
        "dance, classical, acoustic, 未知, 未知艺术家, 群星, 伴奏",
    )
    for name in line.split(", ")
)
_LEAST_LETTERS = 3
_LEAST_HAN = 2


def artist_in_tags(path: Path) -> str | None:
    """Return the artist that the tags of a file name; None where they name none or cannot be read."""
    try:
        return open_tags(path).artist or None
    except ValueError:
        return None


def artists_of(track: Track, in_tags: str | None) -> tuple[str, ...]:
    """Return the names that could be those of a track's artists, without those that say nothing.

    Args:
        track: Its file name and unknown columns are read.
        in_tags: What `artist_in_tags` found.
    """
    named = _NAMED.fullmatch(PurePosixPath(track.path).stem.replace("_", " "))
    said = [in_tags, named["artist"] if named else None, *(track.extra.get(column) for column in _COLUMNS)]
    names = [name.strip() for text in said if isinstance(text, str) for name in (text, *_SEVERAL.split(text))]
    return tuple(dict.fromkeys(name for name in names if _is_name(name)))


def named_in(text: str, artists: tuple[str, ...]) -> str | None:
    """Return the first artist whose name stands in a text as a word of its own."""
    return next((artist for artist in artists if any(_places(artist, text))), None)


def _is_name(name: str) -> bool:
    """Whether a name can be told from ordinary words."""
    letters = sum(letter.isalnum() for letter in name)
    least = _LEAST_LETTERS if name.isascii() else _LEAST_HAN
    return letters >= least and not name.replace(" ", "").isdigit() and name.casefold() not in _NOBODY


def _places(name: str, text: str) -> Iterator[re.Match[str]]:
    """Yield where a name stands in a text; Chinese and Japanese put no space around words."""
    words = r"[\s._-]+".join(re.escape(word) for word in re.split(r"[\s._-]+", name) if word)
    border = r"(?<!\w){}(?!\w)" if name.isascii() else "{}"
    yield from re.finditer(border.format(words), text, re.IGNORECASE)

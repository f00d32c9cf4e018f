"""Who plays a song and what it is called: from the tags of its file, or from a file name "Artist - Title"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from acetune.data.embedded import open_tags

_DASH = re.compile(r"\s+[-–—]\s+|_-_")
#: Of a track on its album: with a sign behind it, or with a nought in front; "50 Cent" is a name.
_NUMBER = re.compile(r"^\s*(?:\d{1,3}\s*[-.)_]\s*|0\d{1,2}\s+)(?=\D)")
_ADDITION = re.compile(
    r"\s*[(\[【（][^()\[\]【】（）]*(official|video|audio|lyric|visuali[sz]er|remaster|hd|hq|4k|mv|m/v|歌词|字幕|官方)"
    r"[^()\[\]【】（）]*[)\]】）]",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Title:
    """What a song is called.

    Attributes:
        is_tagged: Whether its file's tags say so, which are more trustworthy than a file name.
    """

    artist: str
    title: str
    album: str = ""
    is_tagged: bool = False


def title_of(audio: Path) -> Title | None:
    """Return what a song is called; None where neither tags nor name tell both artist and title."""
    try:
        tag = open_tags(audio)
    except ValueError:
        return title_in(audio.stem)
    artist, title = _plain(tag.artist or tag.albumartist), _plain(tag.title)
    if artist and title:
        return Title(artist, title, _plain(tag.album), is_tagged=True)
    return title_in(audio.stem)


def title_in(stem: str) -> Title | None:
    """Return artist and title of a file name such as "03. Artist - Title (Official Video)"; None of any other."""
    parts = [_plain(part) for part in _DASH.split(_ADDITION.sub("", stem))]
    if len(parts) > 2 and parts[0].isdigit():
        parts = parts[1:]
    if len(parts) != 2:
        return None
    artist, title = _NUMBER.sub("", parts[0]) or parts[0], parts[1]
    return Title(artist, title) if artist and title and not artist.isdigit() else None


def _plain(text: str | None) -> str:
    """Return a text in one line, without zeros and underscores that stand for spaces."""
    plain = (text or "").replace("\0", " ")
    return " ".join((plain.replace("_", " ") if " " not in plain.strip() else plain).split())

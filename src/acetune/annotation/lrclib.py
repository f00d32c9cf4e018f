"""LRCLIB, an open collection of lyrics with times: asked politely, one song at a time, and never twice.

Lyrics belong to their authors, whoever collects them. What comes from there is marked, for training at home; it is
left out of everything that acetune exports.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from acetune import files
from acetune.annotation.titles import Title
from acetune.annotation.web import Limits, Reply, Request, place_of, send
from acetune.errors import CorruptFile, DataError
from acetune.events import Job, Json

ADDRESS: Final = "https://lrclib.net"
#: What `Mark.origin` says of lyrics from there.
ORIGIN: Final = "lrclib"
#: Folder of what was asked and answered, inside of what annotators keep.
LYRICS: Final = "lrclib"
#: Its own rule for a match: the length may differ by so much.
TOLERANCE_SECONDS: Final = 2.0

_STAGE: Final = "lyrics-online"
#: It may ask other collections before it answers.
LIMITS: Final = Limits(seconds=15.0, most_bytes=1_000_000, tries=3)
_SECONDS_BETWEEN: Final = 1.0
#: What was not there may be there after a month.
_MISS_SECONDS: Final = 30 * 24 * 3600.0


@dataclass(frozen=True)
class Found:
    """Lyrics of a song: plain, in the format of ``.lrc`` files, or the fact that nobody sings."""

    plain: str
    timed: str
    instrumental: bool


@dataclass
class Lrclib:
    """The collection, or a copy of it at another address.

    Attributes:
        address: Where it is.
        cache: Folder of answers and misses.
        job: Can stop every request within a moment.
        limits: Of time, size and tries.
        asked_at: When it was last asked.
    """

    address: str
    cache: Path
    job: Job
    limits: Limits
    asked_at: float = field(default=-_SECONDS_BETWEEN)

    def find(self, title: Title, seconds: float) -> Found | None:
        """Return the lyrics of a song of this length; None where there are none.

        Raises:
            Stopped: If asked to, within a moment.
            DownloadFailed: If nobody answers.
            DataError: If it refuses, or what it says cannot be read.
        """
        query = {"artist_name": title.artist, "track_name": title.title, "duration": str(round(seconds))}
        if title.album:
            query["album_name"] = title.album
        kept = self.cache / f"{files.hash_of(self.address, query)}.json"
        known = _read(kept)
        if known is None:
            answer = self._ask(query)
            files.write_json(kept, {"asked": query, "time": time.time(), "answer": answer})
        else:
            answer = known["answer"]
        return _found(answer, seconds) if isinstance(answer, dict) else None

    def _ask(self, query: Mapping[str, str]) -> Json:
        """Return what the collection says, at most once a second."""
        while (left := self.asked_at + _SECONDS_BETWEEN - time.monotonic()) > 0:
            self.job.check_stop(_STAGE)
            time.sleep(min(left, 0.1))
        headers = {"User-Agent": f"acetune {version('acetune')}"}
        try:
            reply = send(Request(f"{self.address}/api/get?{urlencode(query)}", headers), self.limits, self.job, _STAGE)
        finally:
            self.asked_at = time.monotonic()
        return _answer(reply, self.address)


def kept_about(cache: Path, title: Title) -> Iterator[Path]:
    """Yield the answers about a song that earlier requests left, whatever album or length was asked for.

    Args:
        cache: Folder of answers and misses.
        title: Of the song.
    """
    for kept in sorted(cache.glob("*.json")):
        asked = _content(kept).get("asked")
        if isinstance(asked, dict) and (asked.get("artist_name"), asked.get("track_name")) == (
            title.artist,
            title.title,
        ):
            yield kept


def _answer(reply: Reply, address: str) -> Json:
    """Return the object of a reply; None where there are no lyrics.

    Raises:
        DataError: If it is neither.
    """
    if reply.status == 404:
        return None
    try:
        answer: Json = json.loads(reply.body)
    except (ValueError, RecursionError):
        answer = None
    if not reply.is_good or not isinstance(answer, dict):
        raise DataError("listening.lyrics_refused", server=place_of(address), status=reply.status)
    return answer


def _read(kept: Path) -> Mapping[str, Any] | None:
    """Return what an earlier request left; None where there was none, or it missed long ago."""
    known = _content(kept)
    if "answer" not in known:
        return None
    asked = known.get("time")
    is_fresh = isinstance(asked, float) and 0 <= time.time() - asked < _MISS_SECONDS
    return known if known["answer"] is not None or is_fresh else None


def _content(kept: Path) -> Mapping[str, Any]:
    """Return what stands in a file of this folder; nothing where it is not there or damaged."""
    try:
        known = files.read_json(kept) if kept.is_file() else {}
    except CorruptFile:
        return {}
    return known if isinstance(known, dict) else {}


def _found(answer: Mapping[str, Json], seconds: float) -> Found | None:
    """Return the lyrics of an answer, unless they are of a recording of another length."""
    length = answer.get("duration")
    if isinstance(length, (int, float)) and abs(length - seconds) > TOLERANCE_SECONDS:
        return None
    plain, timed = (str(answer.get(name) or "").strip() for name in ("plainLyrics", "syncedLyrics"))
    instrumental = answer.get("instrumental") is True
    return Found(plain, timed, instrumental) if plain or timed or instrumental else None

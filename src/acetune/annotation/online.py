"""Annotator `lyrics-online`: lyrics of LRCLIB, for those who ask for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Final

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.endpoint import is_address
from acetune.annotation.lrclib import ADDRESS, LIMITS, LYRICS, ORIGIN, Found, Lrclib
from acetune.annotation.sections import with_sections
from acetune.annotation.titles import title_of
from acetune.data.lrc import TimedLyrics, parse_lrc
from acetune.data.track import Source
from acetune.errors import AcetuneError, DataError, DownloadFailed, MissingDependency, SettingError
from acetune.events import Job

_NAME: Final = "lyrics-online"
#: How sure it is that lyrics belong to a recording of this artist, title and length.
_TAGGED_TRUST, _NAMED_TRUST = 0.9, 0.8
#: After so many songs without an answer the collection is away, and the work ends.
_MOST_FAILURES: Final = 3


class OnlineLyricsAnnotator:
    """Finds lyrics, with times where there are any, by artist, title and length of a song."""

    name = _NAME
    fields = ("lyrics", "line_times", "instrumental")
    source = Source.FILE
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether the user did not ask for it, or named an address that cannot be."""
        if not setup.online:
            return MissingDependency("listening.not_online")
        address = setup.model_ids.get(_NAME, ADDRESS)
        return None if is_address(address) else SettingError("listening.bad_endpoint", endpoint=address)

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that looks for the lyrics of a song."""
        address = setup.model_ids.get(_NAME, ADDRESS).rstrip("/")
        yield partial(_listen, Lrclib(address, setup.cache / LYRICS, job, LIMITS), [])


def _listen(collection: Lrclib, failures: list[str], song: Song) -> Mapping[str, Guess]:
    """Return the lyrics of a song; nothing where there are none.

    Raises:
        DataError: If it is unknown what the song is called, or the collection cannot be read.
        DownloadFailed: If it answered for none of the last songs.
    """
    title = title_of(song.path)
    if title is None:
        raise DataError("listening.no_title", path=song.track.path)
    try:
        found = collection.find(title, song.track.seconds)
    except DownloadFailed as error:
        failures.append(song.track.path)
        if len(failures) >= _MOST_FAILURES:
            raise
        raise DataError(error.code, **error.params) from error
    failures.clear()
    return {} if found is None else _guesses(found, _TAGGED_TRUST if title.is_tagged else _NAMED_TRUST, song)


def _guesses(found: Found, trust: float, song: Song) -> Mapping[str, Guess]:
    """Return lyrics in sections and the times of their lines; they are marked as LRCLIB's."""
    if found.instrumental and not found.plain and not found.timed:
        return {"instrumental": Guess(True, trust, origin=ORIGIN)}
    timed = parse_lrc(found.timed) if found.timed else TimedLyrics(found.plain, None)
    said = with_sections(timed.text, timed.times, song.track.seconds)
    notice = "listening.sections_guessed" if said.guessed else None
    guesses = {
        "lyrics": Guess(said.lyrics, trust, notice, ORIGIN),
        "instrumental": Guess(False, trust, origin=ORIGIN),
    }
    return guesses | ({"line_times": Guess(list(said.line_times), trust, origin=ORIGIN)} if said.line_times else {})

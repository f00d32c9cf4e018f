"""Annotator `endpoint`: an OpenAI-compatible server describes a song and writes down what is sung."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final, TypeVar
from urllib.parse import urlsplit

from acetune.annotation.annotator import Guess, Listen, Setup, Song
from acetune.annotation.answers import read_description
from acetune.annotation.clips import RATE_HZ, Clip, encoded
from acetune.annotation.describer import lyrics_wanted, sung_guesses
from acetune.annotation.questions import DESCRIBE, LYRICS
from acetune.annotation.server import Said, Server
from acetune.annotation.web import Limits
from acetune.annotation.windows import middle
from acetune.data.track import Source
from acetune.errors import AcetuneError, DataError, MissingDependency, SettingError
from acetune.events import Job

_NAME: Final = "endpoint"
#: What models of this kind hear at once.
MOST_SECONDS: Final = 300.0
#: Enough for the schema of the tags, and for 1,000 characters of Chinese.
_DESCRIBE_TOKENS, _LYRIC_TOKENS = 600, 1500

#: Of each request.
LIMITS: Final = Limits()
#: What a key is made of (RFC 6750, more loosely): a header takes nothing else.
_KEY = re.compile(r"[!-~]+")

T = TypeVar("T")


class EndpointAnnotator:
    """Finds tags, genre, caption, voice and lyrics with a model that a server holds."""

    name = _NAME
    fields = ("caption", "tags", "genre", "instrumental", "language", "lyrics")
    source = Source.MODEL
    pooled = False

    def missing(self, setup: Setup) -> AcetuneError | None:
        """Return whether the user named no server, or one that cannot be, or set a key that cannot be."""
        if setup.endpoint is None:
            kind = MissingDependency if setup.endpoint_model is None else SettingError
            return kind("listening.no_endpoint")
        if setup.api_key is not None and not _KEY.fullmatch(setup.api_key):
            return SettingError("listening.bad_key")
        try:
            address_of(setup.endpoint)
        except SettingError as error:
            return error
        return None

    @contextmanager
    def opened(self, setup: Setup, job: Job) -> Iterator[Listen]:
        """Yield a function that asks the server about a song, once it is certain that the server hears."""
        server = Server(address_of(setup.endpoint or ""), setup.endpoint_model or "", setup.api_key, job, LIMITS)
        if setup.api_key and _is_open_road(server.address):
            job.tell(DataError("listening.key_in_clear", endpoint=server.address))
        server.model = setup.endpoint_model or _only_model(server)
        server.check_hearing()
        yield partial(_listen, server)


def is_address(text: str) -> bool:
    """Whether a text is the address of a server: scheme, host, perhaps port and path, and nothing behind them."""
    import httpx

    try:
        parsed = urlsplit(text.strip())
        _ = parsed.port, httpx.URL(text.strip()).host
    except (ValueError, httpx.InvalidURL):
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.hostname) and not (parsed.query or parsed.fragment)


def address_of(endpoint: str) -> str:
    """Return the address of ``/v1`` on a server, with or without which the user may have named it.

    Raises:
        SettingError: If it is no address of a server, or holds a password.
    """
    if not is_address(endpoint):
        shown = endpoint.rpartition("@")[2].partition("?")[0]  # neither a password nor a key
        raise SettingError("listening.bad_endpoint", endpoint=shown)
    parsed = urlsplit(endpoint.strip())
    if parsed.username or parsed.password:
        raise SettingError("listening.password_in_endpoint", endpoint=parsed.hostname)
    path = parsed.path.rstrip("/").removesuffix("/chat/completions").rstrip("/")
    return f"{parsed.scheme}://{parsed.netloc}{path or '/v1'}"


def _is_open_road(address: str) -> bool:
    """Whether others could read what is sent to an address: without TLS, and beyond this machine."""
    parsed = urlsplit(address)
    return parsed.scheme == "http" and parsed.hostname not in ("localhost", "127.0.0.1", "::1")


def _only_model(server: Server) -> str:
    """Return the model of a server that has one.

    Raises:
        SettingError: If it has several, or none.
    """
    names = server.models()
    if len(names) != 1:
        known = ", ".join(names[:20]) or "none"
        raise SettingError("listening.which_model", endpoint=server.address, known=known)
    return names[0]


def _listen(server: Server, song: Song) -> Mapping[str, Guess]:
    """Return what the server says about a song, about its middle where it is longer than models hear at once.

    Raises:
        DataError: If it refuses the song, or twice answers with something else than JSON.
    """
    clip = encoded(middle(song.audio(RATE_HZ), RATE_HZ, MOST_SECONDS))

    def ask(question: str, schema: str, tokens: int, read: Callable[[str], T]) -> tuple[T, Said]:
        return _read(server, clip, (question, schema, tokens), read)

    read = partial(read_description, path=song.track.path)
    description, said = ask(DESCRIBE, "song_tags", _DESCRIBE_TOKENS, read)
    guesses = _marked(description.guesses(None), said)
    if not lyrics_wanted(description, song):
        return guesses
    sung, said = ask(LYRICS, "song_lyrics", _LYRIC_TOKENS, lambda text: sung_guesses(text, song, None))
    return {**guesses, **_marked(sung, said)}


def _read(server: Server, clip: Clip, question: tuple[str, str, int], read: Callable[[str], T]) -> tuple[T, Said]:
    """Return what is read from an answer; one that cannot be read is asked for once more.

    Raises:
        DataError: If the second answer cannot be read either.
    """
    text, schema, tokens = question
    said = server.listen(clip, text, schema, tokens)
    try:
        return read(said.text), said
    except DataError:
        said = server.repair(clip, text, said.text, schema, tokens)
        return read(said.text), said


def _marked(guesses: Mapping[str, Guess], said: Said) -> dict[str, Guess]:
    """Return guesses with a notice where the answer was cut."""
    if not said.truncated:
        return dict(guesses)
    long = ("lyrics", "caption")
    return {
        name: replace(guess, notice=guess.notice or "listening.cut") if name in long else guess
        for name, guess in guesses.items()
    }

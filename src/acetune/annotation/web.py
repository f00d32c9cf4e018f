"""Asking a server over HTTP: with patience, within limits, and stopped within a moment."""

from __future__ import annotations

import ssl
import time
from collections.abc import Mapping
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from acetune.errors import DataError, DownloadFailed, Stopped
from acetune.events import Job
from acetune.files import hash_of

if TYPE_CHECKING:
    import httpx

#: Answers that may be others if asked again: busy, overloaded, restarting.
_TEMPORARY: Final = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
#: Pauses grow from this; a quarter is added by chance, so that several callers do not come back together.
_FIRST_PAUSE, _CHANCE = 1.0, 0.25
#: A server that asks for more patience than this is given up.
_LONGEST_PAUSE: Final = 60.0
_CONNECT_SECONDS: Final = 10.0
#: Packed answers could unfold into any size.
_PLAIN: Final[Mapping[str, str]] = MappingProxyType({"Accept-Encoding": "identity"})
_POLL_SECONDS: Final = 0.1


@dataclass(frozen=True)
class Request:
    """What is asked: a GET without a body, a POST with one; headers may hold a key and are never shown."""

    url: str
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    body: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Reply:
    """What a server answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def is_good(self) -> bool:
        """Whether the server did what it was asked."""
        return 200 <= self.status < 300


@dataclass(frozen=True)
class Limits:
    """How long and how much: seconds for one answer, its bytes, and how often to try."""

    seconds: float = 600.0
    most_bytes: int = 4_000_000
    tries: int = 4
    first_pause: float = _FIRST_PAUSE


def send(request: Request, limits: Limits, job: Job, stage: str) -> Reply:
    """Return a server's answer; what may be temporary is asked again after 1, 2 and 4 seconds, or when it says.

    Args:
        request: What is asked.
        limits: Of time, size and tries.
        job: Can stop it, within a moment.
        stage: Name of the work.

    Returns:
        The last answer, be it good or bad.

    Raises:
        Stopped: If asked to.
        DownloadFailed: If no answer came.
        DataError: If the answer is larger than the limit.
    """
    for attempt in range(1, limits.tries + 1):
        reply = _tried(request, limits, job, stage)
        is_last = attempt == limits.tries
        if isinstance(reply, Reply):
            pause = max(_pause(request, limits, attempt), _asked_pause(reply))
            if reply.status not in _TEMPORARY or is_last or pause > _LONGEST_PAUSE:
                return reply
        else:
            pause = _pause(request, limits, attempt)
            if is_last:
                raise DownloadFailed("listening.unreachable", server=place_of(request.url), cause=reply)
        _rest(pause, job, stage)
    raise AssertionError("at least one try")


def place_of(url: str) -> str:
    """Return the scheme, host and port of an address, for people."""
    import httpx

    parsed = httpx.URL(url)
    return f"{parsed.scheme}://{parsed.netloc.decode('ascii', 'replace')}"


def _tried(request: Request, limits: Limits, job: Job, stage: str) -> Reply | str:
    """Return the answer to one request, or why none came.

    The request runs in an event loop of its own thread: there it can be given up at any moment, and this process may
    have a loop of its own.
    """
    import httpx
    from anyio.from_thread import start_blocking_portal

    with start_blocking_portal() as portal:
        future: Future[Reply] = portal.start_task_soon(_ask, request, limits)
        while not wait([future], timeout=_POLL_SECONDS).done:
            if job.stop_requested():
                future.cancel()
                break
    if future.cancelled():
        raise Stopped("job.stopped", stage=stage)
    try:
        return future.result()
    except TimeoutError:
        return f"no answer within {limits.seconds:g} s"
    except httpx.TimeoutException as cause:
        return f"no answer in time ({type(cause).__name__})"
    except httpx.LocalProtocolError:  # its words may hold a header, and with it a key
        return "the request cannot be sent as it is"
    except httpx.HTTPError as cause:
        return (str(cause).strip().splitlines() or [type(cause).__name__])[0].rstrip(".")


async def _ask(request: Request, limits: Limits) -> Reply:
    """Return the answer to one request."""
    import anyio
    import httpx

    timeout = httpx.Timeout(limits.seconds, connect=min(_CONNECT_SECONDS, limits.seconds))
    method = "GET" if request.body is None else "POST"
    with anyio.fail_after(limits.seconds):
        async with (
            httpx.AsyncClient(timeout=timeout, verify=_trusted()) as client,
            client.stream(method, request.url, headers={**_PLAIN, **request.headers}, content=request.body) as response,
        ):
            return Reply(response.status_code, dict(response.headers), await _body(response, limits, request.url))


@cache
def _trusted() -> ssl.SSLContext:
    """Return whom to trust; reading all certificates takes longer than a request."""
    import httpx

    return httpx.create_ssl_context()


async def _body(response: httpx.Response, limits: Limits, url: str) -> bytes:
    """Return the bytes of an answer as long as they are not too many."""
    body = bytearray()
    async for chunk in response.aiter_bytes():
        body += chunk
        if len(body) > limits.most_bytes:
            size = f"{limits.most_bytes / 1e6:g} MB"
            raise DataError("listening.huge_answer", server=place_of(url), most=size)
    return bytes(body)


def _pause(request: Request, limits: Limits, attempt: int) -> float:
    """Return how long to wait after so many tries; the share of chance follows from what is asked."""
    chance = int(hash_of(request.url, len(request.body or b""), attempt)[:8], 16) / 2**32
    return float(limits.first_pause * 2 ** (attempt - 1) * (1 + _CHANCE * chance))


def _asked_pause(reply: Reply) -> float:
    """Return how long a server asks to wait: a number of seconds, or a date; 0 where it does not say."""
    said = reply.headers.get("retry-after", "")
    with suppress(ValueError):
        return max(0.0, float(said))
    with suppress(ValueError, TypeError):
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    return 0.0


def _rest(seconds: float, job: Job, stage: str) -> None:
    """Wait, unless asked to stop."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        job.check_stop(stage)
        time.sleep(min(left, _POLL_SECONDS))

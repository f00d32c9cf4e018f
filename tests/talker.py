"""A local HTTP server that answers as a test tells it to, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request: its path with the query, headers in small letters, and its JSON body."""

    path: str
    headers: dict[str, str]
    body: Any
    time: float


@dataclass(frozen=True)
class Answer:
    """What the server does with one request.

    Attributes:
        status: Of the reply.
        body: Text, bytes, or what becomes JSON.
        headers: Beside the usual ones.
        delay: Seconds before anything is sent.
        cut: Close the connection after half of the body.
    """

    status: int = 200
    body: Any = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    cut: bool = False

    @property
    def data(self) -> bytes:
        """The bytes of the body."""
        if isinstance(self.body, bytes):
            return self.body
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


@dataclass
class Talker:
    """A server: `answer` maps what was asked to what is answered."""

    address: str
    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)


def in_turn(*answers: Answer) -> Callable[[Asked], Answer]:
    """Return what gives each answer once, and the last one from then on."""
    left = list(answers)
    return lambda asked: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def talking(answer: Callable[[Asked], Answer]) -> Iterator[Talker]:
    """Yield a server on this machine."""
    leaving = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

        def do_GET(self) -> None:
            self.reply(None)

        def do_POST(self) -> None:
            self.reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def reply(self, body: Any) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            talker.asked.append(Asked(self.path, headers, body, time.monotonic()))
            said = talker.answer(talker.asked[-1])
            leaving.wait(said.delay)
            self.close_connection = True
            try:
                self.send_response(said.status)
                for name, value in {"Content-Length": str(len(said.data)), **said.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(said.data[: len(said.data) // 2] if said.cut else said.data)
            except OSError:
                pass  # the other side went away, as some tests want

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    talker = Talker(f"http://127.0.0.1:{server.server_address[1]}", answer)
    try:
        yield talker
    finally:
        leaving.set()
        server.shutdown()
        thread.join()
        server.server_close()

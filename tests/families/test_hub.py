"""Weights are fetched whole or not at all, and a cut download goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from acetune.errors import DataError
from acetune.events import Job
from acetune.families import weights
from acetune.families.variant import Repository

CONTENT = {
    "config.json": b'{"hidden_size": 8}',
    "model.safetensors": bytes(range(256)) * 20_000,
    "README.md": b"not wanted",
    "more/silence_latent.pt": b"x" * 1000,
}
REPOSITORY = Repository("owner/acestep-v15-test", ("config.json", "*.safetensors", "*.pt"), 5_000_000, "MIT")
SCRIPT = """
import os
import sys
from pathlib import Path
from acetune import events
from acetune.errors import AcetuneError
from acetune.families import hub
from acetune.families.variant import Repository
stopping = "STOP" in os.environ
job = events.Job(lambda event: print(events.to_line(event), flush=True), lambda: stopping)
try:
    print(hub.download(Repository(*eval(sys.argv[2])), Path(sys.argv[1]), job))
except AcetuneError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


@dataclass
class Hub:
    """A hub of one repository that can misbehave.

    Attributes:
        cuts: Break the connection of the next so many large answers in the middle.
        ranges: Whether it honours requests for the rest of a file.
        damaged: Send other bytes than it states.
        refusal: Status of every answer, in place of the right one.
        requests: Path and range of what was asked.
    """

    endpoint: str = ""
    cuts: int = 0
    ranges: bool = True
    damaged: bool = False
    refusal: int | None = None
    requests: list[tuple[str, str | None]] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        if "owner/acestep-v15-test" not in self.path:
            self.send_error(404)  # the client asks for news about itself
            return
        self.hub.requests.append((self.path, self.headers["Range"]))
        if self.hub.refusal is not None:
            self.send_error(self.hub.refusal)
        elif self.path.startswith("/api/models/"):
            self._answer(200, json.dumps(listing()).encode())
        else:
            self._file(CONTENT[self.path.split("/resolve/")[1].split("/", 1)[1]])

    def _file(self, content: bytes) -> None:
        start = int((self.headers["Range"] or "bytes=0-")[6:].rstrip("-")) if self.hub.ranges else 0
        body = content[start:]
        if self.hub.damaged:
            body = b"?" + body[1:]
        self._answer(206 if start else 200, body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if len(body) > 100_000 and self.hub.cuts:
            self.hub.cuts -= 1
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
            return
        self.wfile.write(body)


def listing() -> dict[str, object]:
    siblings = [
        {"rfilename": name, "size": len(data), "blobId": "0" * 40}
        | (
            {"lfs": {"size": len(data), "sha256": hashlib.sha256(data).hexdigest(), "pointerSize": 1}}
            if len(data) > 99
            else {}
        )
        for name, data in CONTENT.items()
    ]
    return {"id": "owner/acestep-v15-test", "modelId": "owner/acestep-v15-test", "sha": "c" * 40, "siblings": siblings}


@pytest.fixture
def hub() -> Iterator[Hub]:
    state = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": state}))
    state.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


def command(models: Path, repository: Repository = REPOSITORY) -> list[str]:
    fields = (repository.id, repository.patterns, repository.size_bytes, repository.licence)
    return [sys.executable, "-c", SCRIPT, str(models), repr(fields)]


def environment(hub: Hub, models: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return kept | {"HF_ENDPOINT": hub.endpoint, "HF_HOME": str(models / "home"), "PYTHONWARNINGS": "ignore"} | more


def fetch(hub: Hub, models: Path, **more: str) -> subprocess.CompletedProcess[str]:
    env = environment(hub, models, **more)
    return subprocess.run(command(models), env=env, capture_output=True, text=True, timeout=60, check=False)


def events(answer: subprocess.CompletedProcess[str], kind: str) -> list[dict[str, object]]:
    lines = [json.loads(line) for line in answer.stdout.splitlines() if line.startswith("{")]
    return [line for line in lines if line["kind"] == kind]


def arrived(models: Path) -> dict[str, bytes]:
    folder = models / "checkpoints" / "acestep-v15-test"
    wanted = [file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")]
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in wanted}


WANTED = {name: data for name, data in CONTENT.items() if name != "README.md"}


def test_a_download_brings_the_wanted_files_after_saying_size_and_licence(hub: Hub, tmp_path: Path) -> None:
    answer = fetch(hub, tmp_path)

    assert answer.returncode == 0, answer.stderr
    assert arrived(tmp_path) == WANTED
    assert "5.12 MB" in str(events(answer, "Noticed")[0]["message"])
    assert "MIT" in str(events(answer, "Noticed")[0]["message"])
    last = events(answer, "Progress")[-1]
    assert last["done"] == last["total"] == sum(map(len, WANTED.values()))


def test_a_download_through_cut_connections_asks_only_for_the_rest(hub: Hub, tmp_path: Path) -> None:
    hub.cuts = 2

    answer = fetch(hub, tmp_path)

    assert answer.returncode == 0, answer.stderr
    assert arrived(tmp_path) == WANTED
    ranges = [wanted for path, wanted in hub.requests if path.endswith("model.safetensors")]
    assert ranges == ["bytes=0-", "bytes=2560000-", "bytes=3840000-"]


def test_a_second_try_goes_on_where_the_first_was_killed(hub: Hub, tmp_path: Path) -> None:
    part = tmp_path / "checkpoints" / "acestep-v15-test" / "model.safetensors.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(CONTENT["model.safetensors"][:1_000_000])

    answer = fetch(hub, tmp_path)

    assert arrived(tmp_path) == WANTED
    assert "4.12 MB" in str(events(answer, "Noticed")[0]["message"])
    assert ("/owner/acestep-v15-test/resolve/" + "c" * 40 + "/model.safetensors", "bytes=1000000-") in hub.requests


def test_a_stopped_download_ends_at_once_and_goes_on_later(hub: Hub, tmp_path: Path) -> None:
    stopped = fetch(hub, tmp_path, STOP="1")
    left = arrived(tmp_path)

    again = fetch(hub, tmp_path)

    assert stopped.returncode == 130
    assert not left.keys() & WANTED.keys()
    assert again.returncode == 0
    assert arrived(tmp_path) == WANTED


def test_a_server_without_ranges_sends_all_of_it_again(hub: Hub, tmp_path: Path) -> None:
    hub.cuts, hub.ranges = 1, False

    fetch(hub, tmp_path)

    assert arrived(tmp_path) == WANTED


def test_what_is_here_is_not_fetched_again(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    hub.requests.clear()

    answer = fetch(hub, tmp_path)

    assert answer.returncode == 0
    assert len(hub.requests) == 1  # the listing
    assert events(answer, "Noticed") == []


def test_a_file_with_other_bytes_than_stated_never_gets_its_name(hub: Hub, tmp_path: Path) -> None:
    hub.damaged = True

    answer = fetch(hub, tmp_path)

    assert answer.returncode == 3
    assert "model.safetensors" in answer.stderr
    assert "model.safetensors" not in arrived(tmp_path)


@pytest.mark.parametrize("status", [401, 404])
def test_a_refusal_of_the_hub_is_one_sentence(hub: Hub, tmp_path: Path, status: int) -> None:
    hub.refusal = status

    answer = fetch(hub, tmp_path)

    assert answer.returncode == 3
    assert answer.stderr.startswith("owner/acestep-v15-test could not be downloaded: ")
    assert "Traceback" not in answer.stderr


def test_a_hub_out_of_reach_is_one_sentence(tmp_path: Path) -> None:
    answer = fetch(Hub("http://127.0.0.1:9"), tmp_path)

    assert answer.returncode == 3
    assert "could not be downloaded" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_offline_nothing_is_asked_of_the_hub(hub: Hub, tmp_path: Path) -> None:
    answer = fetch(hub, tmp_path, HF_HUB_OFFLINE="1")

    assert answer.returncode == 2
    assert "HF_HUB_OFFLINE" in answer.stderr
    assert hub.requests == []


def test_verify_finds_a_changed_byte_of_what_was_downloaded(hub: Hub, tmp_path: Path) -> None:
    fetch(hub, tmp_path)
    folder = tmp_path / "checkpoints" / "acestep-v15-test"
    (folder / "model.safetensors").unlink()  # no real safetensors file in this test
    checked = weights.verify([folder], Job())
    (folder / "more" / "silence_latent.pt").write_bytes(b"x" * 999 + b"y")

    with pytest.raises(DataError) as fault:
        weights.verify([folder], Job())

    assert [file.name for file in checked] == ["silence_latent.pt"]
    assert fault.value.code == "weights.damaged"

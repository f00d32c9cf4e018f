"""A training run's folder: paths, event stream, control files and lock. Readable at any instant.

recipe.yaml  plan.json  tracks.json  events.jsonl  log.txt  lock  control/{stop,save_now,preview_now}
checkpoints/000400/{adapter.safetensors, optimizer.safetensors, state.json}   checkpoints/{last,best}
               (network/ of shards where all weights are trained)
adapter/  previews/  evaluation/  probes/  report.html
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from acetune import files, locks
from acetune.events import Event, StageEnded, StageStarted, StepDone, Validated, from_line, to_line
from acetune.recipe import Recipe, load

#: Layout of tracks.json.
_TRACKS_VERSION = 1


@dataclass(frozen=True)
class Run:
    """Paths and streams of one run folder."""

    folder: Path

    @property
    def name(self) -> str:
        """The run's name, which its adapters carry too."""
        return self.folder.name

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.folder / "recipe.yaml"

    @property
    def recipe(self) -> Recipe:
        """Read the recipe."""
        return load(self.recipe_file)

    @property
    def checkpoints(self) -> Path:
        """Folder of checkpoints."""
        return self.folder / "checkpoints"

    @property
    def adapters(self) -> Path:
        """Folder of adapter files for other programs."""
        return self.folder / "adapter"

    @property
    def previews(self) -> Path:
        """Folder of generated audio."""
        return self.folder / "previews"

    @property
    def evaluation(self) -> Path:
        """Folder of held-out losses."""
        return self.folder / "evaluation"

    @property
    def events_file(self) -> Path:
        """One JSON object a line."""
        return self.folder / "events.jsonl"

    @property
    def log_file(self) -> Path:
        """The same for people."""
        return self.folder / "log.txt"

    @property
    def tracks_file(self) -> Path:
        """Which songs it was trained on; private, and no part of anything that leaves the run."""
        return self.folder / "tracks.json"

    def relative(self, path: Path) -> str:
        """Return a path inside the run's folder, with forward slashes."""
        return path.relative_to(self.folder).as_posix()

    def record_tracks(self, parts: Mapping[str, Sequence[tuple[str, str | None]]]) -> None:
        """Write down which songs the run uses.

        Args:
            parts: ``train`` or ``validation`` to path and content hash of the audio of each song.

        Raises:
            DiskFull, NotWritable: As the file system says.
        """
        rows = [
            {"path": path, "audio_sha256": sha256, "part": part} for part, of in parts.items() for path, sha256 in of
        ]
        files.write_json(self.tracks_file, {"version": _TRACKS_VERSION, "tracks": rows})

    def used(self, sha256: str) -> str | None:
        """Return ``train`` or ``validation`` if the run used a song with this audio; None if it did not, or cannot say.

        Raises:
            CorruptFile: If its list of songs is damaged.
        """
        if not self.tracks_file.is_file():
            return None
        content = files.read_json(self.tracks_file)
        rows = content.get("tracks", []) if isinstance(content, dict) else []
        parts = [str(row.get("part")) for row in rows if isinstance(row, dict) and row.get("audio_sha256") == sha256]
        return parts[0] if parts else None

    def append_event(self, event: Event) -> None:
        """Add an event to events.jsonl and, for people, to log.txt.

        Raises:
            DiskFull: If there is no room.
        """
        with files.disk_errors(self.folder):
            _append(self.events_file, to_line(event))
            if isinstance(event, (StageStarted, StepDone, Validated, StageEnded)) or "message" in vars(event):
                clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(event.time))
                _append(self.log_file, f"{clock} {_words(event)}")

    def events(self) -> Iterator[Event]:
        """Yield the events so far; lines that are unknown or half-written are skipped."""
        if self.events_file.is_file():
            with self.events_file.open(encoding="utf-8", errors="replace") as stream:
                for line in stream:
                    event = from_line(line)
                    if event is not None:
                        yield event

    def history(self) -> tuple[Event, ...]:
        """Return the events that still hold: what happened after a point from which a run was resumed is void."""
        kept: list[Event] = []
        for event in self.events():
            if isinstance(event, StageStarted) and event.resumed_from is not None:
                point = event.resumed_from
                kept = [e for e in kept if (getattr(e, "step", None) or 0) <= point]
            kept.append(event)
        return tuple(kept)

    def hold(self) -> AbstractContextManager[None]:
        """Hold the run's lock.

        Raises:
            SettingError: If a living process trains this run already.
        """
        return locks.lock(self.folder / "lock", "run.locked")

    def owner(self) -> locks.Owner | None:
        """Return the living process that trains this run, or None."""
        return locks.lock_owner(self.folder / "lock")

    def ask(self, what: str) -> None:
        """Leave a control file, ``stop``, ``save_now`` or ``preview_now``, for the process that trains."""
        files.write_text(self.folder / "control" / what, "")

    def asked(self, what: str) -> bool:
        """Whether a control file lies there; it is taken away."""
        path = self.folder / "control" / what
        if not path.exists():
            return False
        path.unlink(missing_ok=True)
        return True


def recommended_strength(run: Run, step: int | None = None) -> float | None:
    """Return the strength that held-out music recommends for a run's adapter; None where nobody asked it.

    Args:
        run: The run.
        step: Of the adapter; None for the one that was asked about.

    Raises:
        CorruptFile: If what it answered is damaged.
    """
    file = run.evaluation / "strengths.json"
    content = files.read_json(file) if file.is_file() else {}
    known = isinstance(content, dict) and step in (None, content.get("step"))
    found = content.get("recommended") if known and isinstance(content, dict) else None
    return float(found) if isinstance(found, (int, float)) else None


def _append(path: Path, line: str) -> None:
    """Add one line; a line that a killed process left half-written is ended first."""
    with path.open("ab+") as stream:
        if stream.tell():
            stream.seek(-1, os.SEEK_END)
            if stream.read(1) != b"\n":
                stream.write(b"\n")
        stream.write(line.encode("utf-8") + b"\n")


def _words(event: Event) -> str:
    """Return one event as a line for people."""
    values = {k: v for k, v in vars(event).items() if k not in ("time", "crops") and v not in (None, "", {})}
    texts = [f"{k} {v:.6g}" if isinstance(v, float) else f"{k} {v}" for k, v in values.items()]
    return f"{type(event).__name__}: " + ", ".join(texts)

"""What came of a training, for whoever asked for it and for the processes that helped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acetune.errors import AcetuneError, ResourceError
from acetune.events import Json
from acetune.training.messages import Message, failure_of, garbled, of_failure


@dataclass(frozen=True)
class TrainResult:
    """What a training left behind."""

    folder: Path
    steps: int
    verdict: str
    adapter: Path


@dataclass(frozen=True)
class Dismissal:
    """What the training came to that others helped with: a result, or why there is none; neither after a fault."""

    result: TrainResult | None = None
    error: AcetuneError | None = None

    def outcome(self) -> TrainResult:
        """Return the result, or raise why there is none."""
        if self.result is None:
            raise self.error or ResourceError("training.lost", cause="the one that leads had a fault")
        return self.result

    def message(self) -> Message:
        """Return what the others are told."""
        result = self.result
        if self.error or result is None:
            return of_failure(self.error) if self.error else Message({})
        places: dict[str, Json] = {"folder": str(result.folder), "adapter": str(result.adapter)}
        return Message({**places, "steps": result.steps, "verdict": result.verdict})

    @classmethod
    def read(cls, message: Message) -> Dismissal:
        """Return what such a message says.

        Raises:
            ResourceError: If it says something else.
        """
        match dict(message.words):
            case {"folder": str(folder), "steps": int(steps), "verdict": str(verdict), "adapter": str(adapter)}:
                return cls(TrainResult(Path(folder), steps, verdict, Path(adapter)))
            case {"error": _}:
                failure = failure_of(message)
                if isinstance(failure, AcetuneError):
                    return cls(error=failure)
            case {**others} if not others:
                return cls()
        raise garbled(f"words {', '.join(sorted(message.words))[:60]}")

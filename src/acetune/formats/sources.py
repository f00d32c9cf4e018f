"""An adapter file or folder that somebody named, and what they say of it that it does not say itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acetune.adapters.adapter import Adapter
from acetune.events import Job
from acetune.families.adapter_names import read_adapter


@dataclass(frozen=True)
class AdapterFile:
    """A file, folder or training checkpoint with an adapter, ours or another trainer's.

    Attributes:
        path: Where it is.
        variant: What a foreign one was trained on; None for what it says.
        alpha: Of a foreign one; None for what it says.
    """

    path: Path
    variant: str | None = None
    alpha: float | None = None

    def read(self, job: Job | None = None) -> Adapter:
        """Return the adapter (raises as `acetune.families.adapter_names.read_adapter`); the job hears of doubts."""
        return read_adapter(self.path.expanduser(), self.variant, self.alpha, job)

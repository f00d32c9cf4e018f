"""What a family offers between audio, latents and rougher latents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from acetune.audio.signal import Samples
    from acetune.events import Job
    from acetune.families.family import Prompt


class Codec(Protocol):
    """Between audio and latents."""

    def whole(self) -> Codec:
        """Return one that takes songs at once, in whatever memory that needs: it gives what chunks must give."""
        ...

    def encode(self, audio: Samples) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the latents, each (T, C) float32 on the CPU."""
        ...

    def decode(self, latents: Tensor) -> Samples:
        """Return audio (samples, 2) of latents (T, C)."""
        ...


class Recoder(Protocol):
    """Makes of music what a planning model would hand to the network: a rough version of it."""

    def recode(self, latents: Tensor) -> Tensor:
        """Return rough latents (T, C) of latents (T, C), float32 on the CPU."""
        ...

    def compose(self, prompt: Prompt, folder: Path, seed: int, job: Job) -> Tensor:
        """Return the rough latents (T, C) that the planning model of a folder hands over for a prompt.

        Raises:
            DataError: If the folder holds no such model.
            OutOfMemory: If it has no room.
            Stopped: If asked to.
        """
        ...

"""What a family offers between prompts and what the network reads of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from acetune.families.tasks import TEXT_TO_MUSIC, Task

if TYPE_CHECKING:
    from torch import Tensor

    from acetune.families.family import Part, Prompt


class Conditioner(Protocol):
    """Turns prompts into condition parts, exactly as inference does."""

    def text(self, prompt: Prompt, task: Task = TEXT_TO_MUSIC) -> Part:
        """Return the part of instruction, caption and metas; the instruction is the task's."""
        ...

    def lyrics(self, prompt: Prompt) -> Part:
        """Return the part of the lyrics."""
        ...

    def constants(self) -> Part:
        """Return what is the same for every prompt of this checkpoint."""
        ...

    def trimmed(self, prompt: Prompt) -> tuple[str, ...]:
        """Name what is longer than the model reads and will be cut: "caption", "lyrics"."""
        ...

    def adopt(self, joined: Tensor) -> tuple[Part, Part] | None:
        """Return the parts of lyrics and of text of a condition sequence that another trainer encoded.

        Args:
            joined: Conditions (L, D) without padding, as `acetune.families.foreign` hands them over.

        Returns:
            None if they were encoded by other weights than these.
        """
        ...

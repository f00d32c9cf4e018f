"""Songs that other trainers of a family have encoded, as a family hands them to the importer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from acetune.events import Json

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ForeignSong:
    """What another trainer's file holds of one song, padding left out, every number finite.

    Attributes:
        latents: Music (T, C), as the file has it.
        conditions: What that trainer showed the network (L, D): lyrics, timbre, text.
        seconds: Length of the music.
        trainer: Which trainer wrote it, as far as the file shows; "unknown" where it does not.
        fields: What the file says about the song, by the names of `acetune.data.track.Track`, values unread.
        name: What the audio was called; None where the file does not say.
        old_lyrics: Whether the lyrics were encoded without the header that inference gives them.
        leaked: Whether the file would show the network the answer beside the question.
    """

    latents: Tensor
    conditions: Tensor
    seconds: float
    trainer: str
    fields: Mapping[str, Json]
    name: str | None
    old_lyrics: bool
    leaked: bool


class TensorReader(Protocol):
    """Reads the songs that other trainers of a family have encoded; one for each line of the catalogue."""

    def fits(self, loaded: Mapping[str, object]) -> bool:
        """Whether a dictionary that ``torch.save`` wrote is a song of such a trainer."""
        ...

    def read(self, loaded: Mapping[str, object], path: Path) -> ForeignSong:
        """Return the sound part of a dictionary that fits.

        Args:
            loaded: The dictionary.
            path: Where it came from, for messages.

        Raises:
            DataError: If tensors have the wrong shape or width, are empty, or hold numbers that are none.
        """
        ...

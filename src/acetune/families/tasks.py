"""What a network can be asked to do with music that exists. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Parts of a song that ACE-Step knows by name (official app).
TRACKS: Final = (
    "woodwinds", "brass", "fx", "synth", "strings", "percussion", "keyboard", "guitar", "bass", "drums",
    "backing_vocals", "vocals",
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """One thing to ask of a network.

    Attributes:
        name: "text2music" makes music from nothing, "cover" keeps what 5 Hz codes keep of a song, "repaint" makes a
            window of it anew, "extract" takes a part out of it, "lego" makes a part for it, "complete" makes the rest
            of it.
        tracks: Which parts, of `TRACKS`; one for extract and lego, any number for complete.
    """

    name: str
    tracks: tuple[str, ...] = ()


TEXT_TO_MUSIC: Final = Task("text2music")
#: Also what a network is asked where a language model hands it codes.
COVER: Final = Task("cover")

#: Tasks that are told a window, and tasks that are told parts.
WINDOWED: Final = ("repaint", "lego")
PARTED: Final = ("extract", "lego", "complete")

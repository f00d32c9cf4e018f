"""Where the crops of a song lie, so that its visits show all of it evenly. Pure arithmetic.

Crops that start anywhere by chance hardly ever show the first and the last seconds of a song. Here visits come in
rounds: the crops of a round cover the whole song, the first begins with it, the last ends with it, and where those in
between overlap moves from round to round. So no second is seen more than twice as often as another. Equally often is
possible only where the song is a multiple of the crop, and there it is so: the middle of a song of one and a half
crops is in each of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from acetune.files import chance_of
from acetune.planning.steps import MIN_FRAMES, crop_length, window_length
from acetune.sections import DataSection

#: Rounds that differ where the text of each crop must be encoded before training.
ROUNDS: Final = 4
#: Crops of a song that is held out whole.
_HELD_OUT: Final = 3


@dataclass(frozen=True)
class Cuts:
    """How one song is cut; everything in frames.

    Attributes:
        frames: Those that are trained on, a multiple of `multiple`.
        crop: Length of a crop; 0 where the song is too short.
        window: Length of its end that is held out; 0 for none.
        multiple: Of starts and lengths.
    """

    frames: int
    crop: int
    window: int
    multiple: int

    @classmethod
    def of(cls, frames: int, wanted: int, multiple: int, *, windows: bool) -> Cuts:
        """Return how a song of so many frames is cut.

        Args:
            frames: Of the whole song.
            wanted: Longest crop.
            multiple: Of starts and lengths.
            windows: Whether the ends of songs are held out.
        """
        window = window_length(frames, wanted, multiple) if windows else 0
        usable = (frames - window) // multiple * multiple
        return cls(usable, crop_length(usable, wanted, multiple), window, multiple)

    @property
    def visits(self) -> int:
        """Crops of one round."""
        return math.ceil(self.frames / self.crop)

    def starts(self, number: int) -> tuple[int, ...]:
        """Return where the crops of a round begin, ascending; they follow from the song's length and the number."""
        if self.visits == 1:
            return (0,)
        gaps = self.visits - 1
        overlap = self.visits * self.crop - self.frames
        luck = [-math.log(1 - chance_of("overlap", self.frames, self.crop, number, gap)) for gap in range(gaps)]
        ends = accumulate((self.crop - overlap * part / (sum(luck) or 1.0) for part in luck), initial=0.0)
        starts = [int(end / self.multiple + 1e-6) * self.multiple for end in ends]
        return (*starts[:-1], self.frames - self.crop)

    def crops(self) -> tuple[tuple[int, int], ...]:
        """Return start and length of every crop of the first `ROUNDS` rounds, and of the end that is held out."""
        starts = sorted({start for number in range(ROUNDS) for start in self.starts(number)}) if self.crop else []
        held_out = ((self.frames, self.window),) if self.window else ()
        return (*((start, self.crop) for start in starts), *held_out)

    def start(self, visit: int, seed: int, song: int, rounds: int | None = None) -> int:
        """Return where the crop of a visit begins.

        Args:
            visit: How often the song was shown before.
            seed: Of the run; it orders the crops of a round.
            song: Number of the song.
            rounds: After so many rounds the same crops come again; None for never.
        """
        number, place = divmod(visit, self.visits)
        starts = self.starts(number if rounds is None else number % rounds)
        order = sorted(range(len(starts)), key=lambda crop: chance_of(seed, "crop", song, number, crop))
        return starts[order[place]]


def spread(frames: int, wanted: int, multiple: int) -> tuple[tuple[int, int], ...]:
    """Return start and length of the crops of a song that is held out whole, spread evenly, fewer where it is short."""
    length = crop_length(frames, wanted, multiple)
    if not length:
        return ()
    count = min(_HELD_OUT, max(frames // length, 1))
    gap = (frames - length) / max(count - 1, 1)
    return tuple((round(number * gap) // multiple * multiple, length) for number in range(count))


def prior_frames(data: DataSection, frames_per_second: float, multiple: int) -> int:
    """Return the length of the clips that the base network makes: that of the longest crops."""
    frames = round(min(data.crop_seconds, data.max_seconds) * frames_per_second)
    return max(frames // multiple * multiple, MIN_FRAMES)

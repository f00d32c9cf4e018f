"""What every annotator is: it listens to one song and says what it heard, and how sure it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from acetune.audio.signal import Samples
from acetune.data.track import Source
from acetune.events import Json

#: Tempo and key need nothing above 10 kHz.
ANALYSIS_RATE_HZ = 22_050


@dataclass(frozen=True)
class Guess:
    """One value of a field.

    Attributes:
        value: In the field's own spelling.
        confidence: 0 to 1; None where the annotator cannot say.
        notice: Code of a message that the user should see beside the value, with the parameter `path`.
    """

    value: Json
    confidence: float | None = None
    notice: str | None = None


class Annotator(Protocol):
    """Something that fills fields of a track from its audio."""

    name: str
    fields: tuple[str, ...]
    source: Source

    def annotate(self, audio: Samples, rate_hz: int) -> Mapping[str, Guess]:
        """Return guesses for those of `fields` that can be told; what cannot be told is left out.

        Args:
            audio: One song, mono, shape (samples,).
            rate_hz: Its sample rate.
        """
        ...

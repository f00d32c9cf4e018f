"""A generated piece as a file: its length, its loudness, and the mark that says what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from acetune.audio import files as audio_files
from acetune.audio import signal
from acetune.audio.signal import Samples
from acetune.events import Json

_RATE_HZ: Final = 48_000


def frames_of(seconds: float, frames_per_second: float) -> int:
    """Return the latent frames that hold a piece of this length."""
    return math.ceil(seconds * frames_per_second)


def write_piece(path: Path, audio: Samples, seconds: float, facts: Mapping[str, Json]) -> None:
    """Write audio that a network made: cut to its length, as latents come in whole frames, and marked as generated.

    Args:
        path: A .wav, .flac or .ogg file.
        audio: Samples (n, 2) at 48 kHz.
        seconds: Length.
        facts: How it was made; no caption or lyrics, which may be private.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    mark = json.dumps({"generated_by": "acetune", "ai_generated": True, **facts})
    audio_files.write(path, signal.peak_normalise(audio)[: round(seconds * _RATE_HZ)], comment=mark)

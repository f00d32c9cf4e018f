"""A generated piece as a file: its length, its loudness, and the mark that says what it is."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from acetune.audio import files as audio_files
from acetune.audio import signal
from acetune.audio.signal import Samples
from acetune.events import Json

_RATE_HZ: Final = 48_000
#: Where new music meets music that stays, it is faded in and out over 10 ms.
_FADE_SECONDS: Final = 0.01


def frames_of(seconds: float, frames_per_second: float) -> int:
    """Return the latent frames that hold a piece of this length."""
    return math.ceil(seconds * frames_per_second)


def write_piece(path: Path, audio: Samples, seconds: float, facts: Mapping[str, Json]) -> None:
    """Write audio that a network made: cut to its length, as latents come in whole frames, and marked as generated.

    Args:
        path: A .wav, .flac, .mp3 or .ogg file.
        audio: Samples (n, 2) at 48 kHz.
        seconds: Length.
        facts: How it was made; no caption or lyrics, which may be private.

    Raises:
        DiskFull, NotWritable: As the file system says.
    """
    write_marked(path, signal.peak_normalise(audio)[: round(seconds * _RATE_HZ)], facts)


def write_marked(path: Path, audio: Samples, facts: Mapping[str, Json]) -> None:
    """Write audio as it is, marked as generated (arguments and errors as of `write_piece`)."""
    mark = json.dumps({"generated_by": "acetune", "ai_generated": True, **facts})
    audio_files.write(path, audio, comment=mark)


def read_mark(path: Path) -> dict[str, Json] | None:
    """Return what a file says of how it was generated; None where it says nothing, or cannot be read."""
    import soundfile

    try:
        with soundfile.SoundFile(path) as sound:
            said = json.loads(sound.comment)
    except (OSError, ValueError, soundfile.SoundFileError):
        return None
    return said if isinstance(said, dict) and said.get("ai_generated") is True else None


def repainted(made: Samples, source: Samples, start: float, end: float) -> Samples:
    """Return the source with its seconds from start to end replaced, everything else as it was to the bit.

    Args:
        made: Samples (n, 2) at 48 kHz.
        source: The same of the music that stays, as many.
        start: Seconds.
        end: The same.
    """
    first, last = round(start * _RATE_HZ), min(round(end * _RATE_HZ), len(source))
    new = made[first:last]
    share = _faded(len(new), starts=first > 0, ends=last < len(source))
    peak = float(np.abs(new).max(initial=0.0))
    result = source.copy()
    result[first:last] += share * (new / max(peak, 1.0) - result[first:last])
    return result


def _faded(count: int, *, starts: bool, ends: bool) -> Samples:
    """Return the share (n, 1) of the new music at each sample."""
    share = np.ones((count, 1), np.float32)
    length = min(round(_FADE_SECONDS * _RATE_HZ), count // 2)
    ramp = np.linspace(0, 1, length, dtype=np.float32)[:, None]
    if starts:
        share[:length] = ramp
    if ends:
        share[count - length :] = ramp[::-1]
    return share

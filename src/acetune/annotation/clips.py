"""Audio as a server takes it: a few seconds as wav, a whole song as mp3, both in base64."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import Final

import numpy as np

from acetune.audio.signal import Samples

#: Servers resample to this rate for the models that hear.
RATE_HZ: Final = 16_000
#: Up to this length a clip is sent as it is: 1.3 MB in base64.
_WAV_SECONDS: Final = 30.0
#: 48 kbit/s is nearly transparent at 16 kHz mono: a song of four minutes takes 1.9 MB in base64, its wav 10 MB.
_MP3_BITS_A_SECOND: Final = 48_000


@dataclass(frozen=True)
class Clip:
    """Audio in base64, and its format: "wav" or "mp3"."""

    data: str
    format: str


def encoded(audio: Samples) -> Clip:
    """Return mono audio (samples,) at 16 kHz as a clip; what exceeds 1.0 is clipped."""
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32_767).astype(np.int16)
    kind = "wav" if len(audio) <= _WAV_SECONDS * RATE_HZ else "mp3"
    raw = _wav(samples) if kind == "wav" else _mp3(samples)
    return Clip(base64.b64encode(raw).decode("ascii"), kind)


def _wav(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bytes:
    """Return a 16-bit wav file."""
    import soundfile

    buffer = io.BytesIO()
    soundfile.write(buffer, samples, RATE_HZ, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def _mp3(samples: np.ndarray[tuple[int], np.dtype[np.int16]]) -> bytes:
    """Return an mp3 file."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp3") as container:
        stream = container.add_stream("mp3", rate=RATE_HZ, layout="mono", bit_rate=_MP3_BITS_A_SECOND)
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16p", layout="mono")
        frame.sample_rate = RATE_HZ
        fifo.write(frame)
        while (block := fifo.read(1152, partial=True)) is not None:
            container.mux(stream.encode(block))
        container.mux(stream.encode(None))
    return buffer.getvalue()

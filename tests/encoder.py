"""Songs in lossy formats, as people have them."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile

#: Suffix to container, codec and samples in a frame, where FFmpeg writes it.
_FFMPEG = {".mp3": ("mp3", "libmp3lame", 1152), ".opus": ("ogg", "libopus", 960), ".m4a": ("ipod", "aac", 1024)}


def encode(path: Path, audio: np.ndarray, rate_hz: int = 48_000, kbps: int = 128) -> Path:
    """Write stereo audio as mp3, opus or m4a (PyAV) or ogg vorbis (soundfile: PyAV's wheels have no encoder for it)."""
    if path.suffix == ".ogg":
        with soundfile.SoundFile(path, "w", rate_hz, 2, "VORBIS", format="OGG") as out:
            for start in range(0, len(audio), rate_hz):
                out.write(audio[start : start + rate_hz])
        return path
    container, codec, frame_size = _FFMPEG[path.suffix]
    with av.open(str(path), "w", format=container) as out:
        stream = out.add_stream(codec, rate=rate_hz, layout="stereo")
        stream.bit_rate = 1000 * kbps
        whole = av.AudioFrame.from_ndarray(np.ascontiguousarray(audio.T), format="fltp", layout="stereo")
        whole.sample_rate = rate_hz
        fit = av.AudioResampler(format=stream.format, layout="stereo", rate=rate_hz, frame_size=frame_size)
        for frame in [*fit.resample(whole), *fit.resample(None)]:
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path

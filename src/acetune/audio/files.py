"""Audio files in and out: probe without decoding, read any of ten formats, write in blocks.

libsndfile (soundfile) reads wav, flac, aiff, ogg and opus; FFmpeg (PyAV) reads mp3, m4a, aac and wma, and
whatever libsndfile refuses. mp3 goes to FFmpeg because libsndfile guesses the length of a variable-rate file
without a Xing header and then cuts the song there. Files are opened by handle: given a path, libsndfile refuses
a good mp3 that lies beside a macOS `._` file.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from acetune import files
from acetune.audio.signal import Samples
from acetune.errors import DataError, SettingError

AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".wma", ".aiff", ".aif"})

_OUTPUTS = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_24"),
    ".mp3": ("MP3", "MPEG_LAYER_III"),
    ".ogg": ("OGG", "VORBIS"),
}
#: An mp3 has 320 kbit/s.
_CODING = {"MP3": {"bitrate_mode": "CONSTANT", "compression_level": 0.0}}
#: What can be written.
WRITE_SUFFIXES = frozenset(_OUTPUTS)

_BLOCK = 1 << 15  # 0.7 s: what may be lost of the block in which a broken file ends
_MAX_FRAMES = 1 << 40  # libsndfile says 2**63 - 1 where a header does not tell the length
_TOLERANCE_SECONDS = 0.5  # codec delays and container rounding stay below 0.03 s
#: FFmpeg may open these and nothing else: no playlists, no scripts, no network.
_DEMUXERS = "mp3,aac,mov,asf,ogg,flac,wav,w64,aiff,matroska"
_NO_TRUE_LENGTH = frozenset({"mp3", "aac"})


@dataclass(frozen=True)
class AudioInfo:
    """What a file says about itself; `format` is the coding, such as "flac", "mp3", "vorbis" or "aac"."""

    seconds: float
    rate_hz: int
    channels: int
    format: str


@dataclass(frozen=True)
class _Sound:
    """An open file: its facts and its samples in blocks of shape (samples, channels)."""

    info: AudioInfo
    blocks: Iterator[Samples]


def probe(path: Path) -> AudioInfo:
    """Return length, rate and channels of a file without decoding it.

    Where a header does not tell the length (raw aac, some mp3), the packets are counted.

    Raises:
        DataError: If it is not a readable audio file.
    """
    with _opened(path) as sound:
        return sound.info


def read(path: Path, rate_hz: int = 48_000, channels: int = 2, max_seconds: float | None = None) -> Samples:
    """Return a file's samples, float32 (samples, channels), resampled with soxr HQ and never clipped.

    Lossy files may exceed 1.0. Two channels: mono is doubled and of more than two the first two are kept. One
    channel: the mean of all.

    Raises:
        DataError: If the file is unreadable, empty, stops more than 0.5 s before its announced end, or holds
            NaN or infinity.
    """
    with _opened(path) as sound:
        blocks = (_with_channels(block, channels) for block in _checked(sound, path, max_seconds))
        return np.concatenate(list(_resampled(blocks, sound.info.rate_hz, rate_hz, channels)))


def read_mono(path: Path, rate_hz: int) -> Samples:
    """Return the mean of all channels, float32 (samples,); raises as `read`."""
    return read(path, rate_hz, channels=1)[:, 0]


def write(path: Path, audio: Samples, rate_hz: int = 48_000, comment: str | None = None) -> None:
    """Write audio (samples, channels) as 16-bit wav, 24-bit flac, 320 kbit/s mp3 or ogg vorbis, whole or not at all.

    The file names acetune as its software and carries `comment`. wav and flac clip what exceeds 1.0.

    Raises:
        SettingError: If the suffix is none of .wav, .flac, .mp3 and .ogg.
        DataError: If the audio holds NaN or infinity.
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    if path.suffix.lower() not in _OUTPUTS:
        raise SettingError("audio.bad_output", path=path, known=", ".join(_OUTPUTS))
    _check_finite(audio, path)
    files.write_bytes(path, _encoded(audio, rate_hz, path.suffix.lower(), comment))


def _encoded(audio: Samples, rate_hz: int, suffix: str, comment: str | None) -> bytes:
    """Return the bytes of an audio file: encoded in memory, so that a full disk is met in one place only."""
    import soundfile

    coding, subtype = _OUTPUTS[suffix]
    buffer = io.BytesIO()
    extra: dict[str, Any] = _CODING.get(coding, {})
    with soundfile.SoundFile(buffer, "w", rate_hz, audio.shape[1], subtype, format=coding, **extra) as sound:
        sound.software = "acetune"
        if comment is not None:
            sound.comment = comment
        for start in range(0, len(audio), rate_hz):  # libvorbis overflows its stack on long arrays
            sound.write(audio[start : start + rate_hz])
    return buffer.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[_Sound]:
    """Yield an open sound; a decoder's complaint becomes `audio.unreadable`."""
    try:
        with ExitStack() as stack:
            stream = stack.enter_context(path.open("rb"))
            yield _with_soundfile(stream, stack) or _with_pyav(stream, stack)
    except _decoder_errors() as cause:
        raise DataError("audio.unreadable", path=path, cause=_reason(cause)) from cause


def _with_soundfile(stream: BinaryIO, stack: ExitStack) -> _Sound | None:
    """Return the sound as libsndfile reads it; None where FFmpeg should."""
    import soundfile

    try:
        sound = stack.enter_context(soundfile.SoundFile(stream))
    except soundfile.SoundFileError:
        return None
    if sound.format == "MP3" or not 0 < sound.frames < _MAX_FRAMES:
        return None
    coding = (sound.subtype if sound.format == "OGG" else sound.format).lower()
    info = AudioInfo(sound.frames / sound.samplerate, sound.samplerate, sound.channels, coding)
    return _Sound(info, _soundfile_blocks(sound))


def _soundfile_blocks(sound: Any) -> Iterator[Samples]:
    """Yield blocks until one is empty (soundfile's own iterator repeats old data where a file ends early)."""
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block


def _with_pyav(stream: BinaryIO, stack: ExitStack) -> _Sound:
    """Return the sound as FFmpeg reads it."""
    import av

    length_known = _mp3_says_length(stream)
    container = stack.enter_context(av.open(stream, options={"format_whitelist": _DEMUXERS}))
    if not container.streams.audio:
        raise DataError("audio.unreadable", path=stream.name, cause="it holds no audio stream")
    audio = container.streams.audio[0]
    if audio.duration and (length_known or container.format.name not in _NO_TRUE_LENGTH):
        seconds = float(audio.duration * audio.time_base)
    else:
        seconds = sum(float((packet.duration or 0) * packet.time_base) for packet in container.demux(audio))
        container.seek(0)
    codec = audio.codec_context
    info = AudioInfo(seconds, codec.sample_rate, codec.layout.nb_channels, codec.codec.canonical_name)
    return _Sound(info, _pyav_blocks(container, audio))


def _mp3_says_length(stream: BinaryIO) -> bool:
    """Whether the first frame of an mp3 is a header that counts the frames (Xing, Info, VBRI)."""
    stream.seek(0)
    head = stream.read(10)
    if head[:3] == b"ID3":  # the tag's size is four times seven bits
        stream.seek(10 + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False)))
    frame = head + stream.read(4096)
    stream.seek(0)
    return any(mark in frame for mark in (b"Xing", b"Info", b"VBRI"))


def _pyav_blocks(container: Any, audio: Any) -> Iterator[Samples]:
    """Yield decoded frames as float32; a damaged packet is passed over, as players do."""
    import av

    codec = audio.codec_context
    convert = av.AudioResampler("fltp", codec.layout, codec.sample_rate)
    for packet in container.demux(audio):
        try:
            frames = packet.decode()
        except av.error.InvalidDataError:
            continue
        for frame in frames:
            yield from (part.to_ndarray().T for part in convert.resample(frame))


def _checked(sound: _Sound, path: Path, max_seconds: float | None) -> Iterator[Samples]:
    """Yield a sound's blocks and refuse what is empty, not finite or shorter than announced."""
    rate = sound.info.rate_hz
    limit = None if max_seconds is None else round(max_seconds * rate)
    done = 0
    try:
        for block in sound.blocks:
            part = block[: None if limit is None else limit - done]
            _check_finite(part, path)
            done += len(part)
            yield part
            if done == limit:
                return
    except _decoder_errors():
        if not done:
            raise
    if not done:
        raise DataError("audio.empty", path=path)
    if done / rate < sound.info.seconds - _TOLERANCE_SECONDS:
        announced = f"{sound.info.seconds:.1f}"
        raise DataError("audio.truncated", path=path, readable=f"{done / rate:.1f}", announced=announced)


def _check_finite(audio: Samples, path: Path) -> None:
    """Refuse NaN and infinity."""
    if not np.isfinite(audio).all():
        raise DataError("audio.not_finite", path=path)


def _with_channels(block: Samples, channels: int) -> Samples:
    """Return a block with one channel (the mean) or two (mono doubled, surround cut)."""
    if channels == 1:
        mono: Samples = block.mean(axis=1, keepdims=True)
        return mono
    return np.repeat(block, 2, axis=1) if block.shape[1] == 1 else block[:, :2]


def _resampled(blocks: Iterator[Samples], from_hz: int, to_hz: int, channels: int) -> Iterator[Samples]:
    """Yield blocks at another rate, without ever holding the whole song at both."""
    import soxr

    if from_hz == to_hz:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_hz, to_hz, channels, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros((0, channels), np.float32), last=True)


def _decoder_errors() -> tuple[type[Exception], ...]:
    """Return what the two libraries and the operating system raise for a bad file."""
    import av
    import soundfile

    return (OSError, soundfile.SoundFileError, av.FFmpegError)


def _reason(cause: Exception) -> str:
    """Return a decoder's complaint without error numbers, file names and full stops."""
    text = getattr(cause, "strerror", None) or getattr(cause, "error_string", None) or str(cause)
    return str(text).rstrip(".")

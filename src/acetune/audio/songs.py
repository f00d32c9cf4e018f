"""A small synthesiser that plays the demo's scores: the same songs on every machine, no recording needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from acetune.audio import files
from acetune.audio.scores import SCORES, DemoSong, Voice
from acetune.audio.signal import Samples, peak_normalise
from acetune.files import write_text

RATE_HZ = 48_000

_TAIL_SECONDS = 0.3
_RELEASE_SECONDS = 0.02
_TABLE = 4096
_TONICS = {"C": 0, "C#": 1, "D": 2, "Eb": 3, "E": 4, "F": 5, "F#": 6, "G": 7, "Ab": 8, "A": 9, "Bb": 10, "B": 11}
_SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
_DRUM_LEVELS = (0.7, 0.4, 0.2)

Wave = npt.NDArray[np.float32]


@dataclass(frozen=True)
class _Note:
    """A note: start and length in bars, and steps of the scale above the song's tonic."""

    start: float
    length: float
    degree: int


def write_demo_songs(songs: Iterable[DemoSong], folder: Path) -> tuple[Path, ...]:
    """Write songs as 48 kHz stereo flac, each with a caption and a lyrics sidecar.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    return tuple(_write(song, folder) for song in songs)


def demo_songs() -> tuple[DemoSong, ...]:
    """Return the eight scores, each in a style of its own."""
    return SCORES


def album() -> tuple[DemoSong, ...]:
    """Return the eight scores as one band plays them, so that there is a style to learn.

    They have the first one's caption, instruments, groove and tempo; words, keys, chords and melodies are their own.
    """
    shared = ("caption", "bpm", "beats", "voices", "bass", "strum", "drums")
    band = {name: getattr(SCORES[0], name) for name in shared}
    return tuple(replace(song, **band) for song in SCORES)


def render(song: DemoSong) -> Samples:
    """Return a song as sound at 48 kHz, shape (samples, 2), its peak at -1 dBFS."""
    bar = song.seconds_per_bar() * RATE_HZ
    mix = np.zeros((round(song.bars() * bar + _TAIL_SECONDS * RATE_HZ), 2), np.float32)
    for voice, notes in zip(song.voices, _parts(song), strict=True):
        table = _table(voice)
        for note in notes:
            sound = _sound(voice, table, _frequency(song, voice, note.degree), note.length * bar / RATE_HZ)
            _add(mix, sound * voice.level, round(note.start * bar), voice.pan)
    for hits, sound, level in zip(song.drums, _drum_sounds(), _DRUM_LEVELS, strict=True):
        for start in _hits(hits, song.bars()):
            _add(mix, sound * level, round(start * bar), 0.0)
    return peak_normalise(mix)


def _write(song: DemoSong, folder: Path) -> Path:
    """Write one song and its sidecars."""
    path = folder / f"{song.stem}.flac"
    files.write(path, render(song), RATE_HZ)
    write_text(folder / f"{song.stem}.caption.txt", song.caption + "\n")
    write_text(folder / f"{song.stem}.lyrics.txt", song.lyrics + "\n")
    return path


def _parts(song: DemoSong) -> tuple[tuple[_Note, ...], ...]:
    """Return the notes of bass, chords and lead; each bar stands on its chord."""
    bass: list[_Note] = []
    strum: list[_Note] = []
    lead: list[_Note] = []
    for bar in range(song.bars()):
        root = song.chords[bar % len(song.chords)]
        bass += _notes(song.bass, bar, root)
        strum += (note for third in (0, 2, 4) for note in _notes(song.strum, bar, root + third))
        lead += _notes(song.lead[bar % len(song.lead)], bar, root)
    return tuple(bass), tuple(strum), tuple(lead)


def _notes(pattern: str, bar: int, root: int) -> Iterator[_Note]:
    """Yield the notes of a bar: a digit is a scale step above the root, "." holds, "-" is silent."""
    for at, letter in enumerate(pattern):
        if letter.isdigit():
            held = len(pattern[at + 1 :]) - len(pattern[at + 1 :].lstrip("."))
            yield _Note(bar + at / len(pattern), (1 + held) / len(pattern), root + int(letter))


def _hits(pattern: str, bars: int) -> Iterator[float]:
    """Yield where a drum is struck ("x"), in bars."""
    for bar in range(bars):
        yield from (bar + at / len(pattern) for at, letter in enumerate(pattern) if letter == "x")


def _frequency(song: DemoSong, voice: Voice, degree: int) -> float:
    """Return the frequency of a scale degree in hertz; A4 is 440."""
    tonic, mode = song.keyscale.split()
    octaves, step = divmod(degree, 7)
    semitones = 12 * (voice.octave - 4 + octaves) + _TONICS[tonic] + _SCALES[mode][step] - 9
    return float(440 * 2 ** (semitones / 12))


def _table(voice: Voice) -> Wave:
    """Return one period of a voice's tone."""
    phase = np.arange(_TABLE) * (2 * np.pi / _TABLE)
    period = sum(a * np.sin(n * phase) for n, a in enumerate(voice.harmonics, start=1))
    return np.asarray(period / np.abs(period).max(), dtype=np.float32)


def _sound(voice: Voice, table: Wave, frequency: float, seconds: float) -> Wave:
    """Return one note, with a short release so that it ends without a click."""
    time = np.arange(round((seconds + _RELEASE_SECONDS) * RATE_HZ), dtype=np.float32) / RATE_HZ
    bend = voice.vibrato * np.log(2) / 12 / (2 * np.pi * 5) * np.sin(2 * np.pi * 5 * time)
    phase = (frequency * (time + bend) * _TABLE).astype(np.int32) % _TABLE
    level = np.minimum(time / voice.attack, 1) * np.exp(-time / voice.decay)
    release = np.minimum((time[-1] - time) / _RELEASE_SECONDS, 1)
    return np.asarray(table[phase] * level * release, dtype=np.float32)


def _drum_sounds() -> tuple[Wave, Wave, Wave]:
    """Return kick, snare and hat."""
    time = np.arange(RATE_HZ // 4, dtype=np.float32) / RATE_HZ
    noise = np.random.default_rng(8).standard_normal(len(time)).astype(np.float32)
    kick = np.sin(2 * np.pi * (48 * time - 3.5 * np.exp(-time / 0.03))) * np.exp(-time / 0.08)
    snare = (0.5 * noise + 0.5 * np.sin(2 * np.pi * 185 * time)) * np.exp(-time / 0.05)
    hat = np.diff(noise, prepend=0) * np.exp(-time / 0.02)
    return kick.astype(np.float32), snare.astype(np.float32), hat.astype(np.float32)


def _add(mix: Samples, sound: Wave, start: int, pan: float) -> None:
    """Add a mono sound to a stereo mix at a sample, panned with constant power."""
    sound = sound[: len(mix) - start]
    angle = (pan + 1) * np.pi / 4
    mix[start : start + len(sound), 0] += np.float32(np.cos(angle)) * sound
    mix[start : start + len(sound), 1] += np.float32(np.sin(angle)) * sound

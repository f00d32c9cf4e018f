"""Made-up styles of music, any number of them, each with any number of short songs: the same on every machine.

A style is what its songs share: instruments and their registers, the rhythm of every part, drums, chords, key and
tempo. Its songs differ in melody and in the order of the chords. Captions name the style.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from acetune.audio import files
from acetune.audio.scores import DemoSong, Voice
from acetune.audio.signal import peak_normalise
from acetune.audio.songs import RATE_HZ, render
from acetune.files import write_text

_TONICS: Final = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_CHORDS: Final = (0, 3, 4, 5, 1, 2)
#: What a voice may be made of, with the word for it: how its harmonics fall, which of them it has, attack and decay.
_TIMBRES: Final = (
    ("sine", 3.0, 1, 0.01, 0.8),
    ("saw", 1.0, 1, 0.005, 0.5),
    ("square", 1.0, 2, 0.005, 0.4),
    ("reed", 0.6, 2, 0.04, 2.0),
    ("string", 1.3, 1, 0.1, 4.0),
    ("pluck", 1.2, 1, 0.003, 0.15),
    ("fuzz", 0.4, 1, 0.005, 0.9),
    ("bell", 2.0, 3, 0.003, 0.6),
)
_DRUMS: Final = (
    ("no drums", "-", "-", "-"),
    ("four on the floor", "xxxx", "-x-x", "-x-x-x-x"),
    ("backbeat", "x-x-", "-x-x", "xxxx"),
    ("busy drums", "x--x-x--", "--x---x-", "xxxxxxxx"),
    ("half time drums", "x---", "--x-", "x-x-"),
    ("rolling snare", "x---x---", "xxxxxxxx", "-"),
)
_SPEEDS: Final = (("slow", 66.0), ("walking", 88.0), ("moderate", 108.0), ("lively", 132.0), ("fast", 160.0))


@dataclass(frozen=True)
class Style:
    """What the songs of a style share.

    Attributes:
        name: Its word in captions.
        caption: What a person would write about it.
        voices: Bass, chords, lead.
        bass, strum: One bar each, as in `acetune.audio.scores.DemoSong`.
        steps: Places for a note in a bar of the lead.
        density: Chance that a place is played.
        drums: One bar each of kick, snare, hat.
        bpm: Tempo.
        tonic, mode: Of its key: semitones above C, and "major" or "minor".
        chords: Degrees that its songs put into an order of their own.
        seed, number: Its songs are drawn from them.
    """

    name: str
    caption: str
    voices: tuple[Voice, Voice, Voice]
    bass: str
    strum: str
    steps: int
    density: float
    drums: tuple[str, str, str]
    bpm: float
    tonic: int
    mode: str
    chords: tuple[int, ...]
    seed: int
    number: int

    def song(self, number: int, seconds: float = 12.0) -> DemoSong:
        """Return a song of this style; the same number gives the same song."""
        draw = np.random.default_rng([self.seed, self.number, number, 1])
        return DemoSong(
            stem=f"{self.name}_{number:02d}",
            bpm=self.bpm,
            keyscale=f"{_TONICS[self.tonic]} {self.mode}",
            caption=self.caption,
            lyrics="[Instrumental]",
            chords=(0, *(int(chord) for chord in draw.permutation(self.chords))),
            voices=self.voices,
            bass=self.bass,
            strum=self.strum,
            lead=tuple(self._bar(draw) for _ in range(4)),
            drums=self.drums,
            seconds=seconds,
        )

    def _bar(self, draw: np.random.Generator) -> str:
        """Return a bar of melody that walks through the scale."""
        degree, bar = int(draw.integers(5)), ""
        for _ in range(self.steps):
            degree = int(np.clip(degree + draw.integers(-2, 3), 0, 7))
            bar += str(degree) if draw.random() < self.density else "."
        return bar


def style(seed: int, number: int) -> Style:
    """Return one of endlessly many styles; the same seed and number give the same one."""
    draw = np.random.default_rng([seed, number, 0])
    drum, kick, snare, hat = _DRUMS[draw.integers(len(_DRUMS))]
    speed, bpm = _SPEEDS[draw.integers(len(_SPEEDS))]
    (bass, low), (strum, middle), (lead, high) = (_voice(draw, octave, level) for octave, level in _REGISTERS)
    mode = str(draw.choice(["major", "minor"]))
    name = f"style{number:03d}"
    return Style(
        name=name,
        caption=f"{name}, {speed}, {mode}, {bass} bass, {strum} chords, {lead} lead, {drum}",
        voices=(low, middle, high),
        bass=_pattern(draw, int(draw.choice([4, 8])), "04"),
        strum=_pattern(draw, int(draw.choice([4, 8])), "0"),
        steps=int(draw.choice([4, 8, 16])),
        density=float(draw.uniform(0.4, 1.0)),
        drums=(kick, snare, hat),
        bpm=round(bpm * float(draw.uniform(0.93, 1.07)), 1),
        tonic=int(draw.integers(12)),
        mode=mode,
        chords=tuple(int(draw.choice(_CHORDS)) for _ in range(3)),
        seed=seed,
        number=number,
    )


#: Lowest octave and loudness of bass, chords and lead.
_REGISTERS: Final = ((1, 0.35), (3, 0.14), (4, 0.22))


def _voice(draw: np.random.Generator, octave: int, level: float) -> tuple[str, Voice]:
    """Return the word for an instrument, and the instrument."""
    word, fall, step, attack, decay = _TIMBRES[draw.integers(len(_TIMBRES))]
    count = 2 + int(draw.integers(4, 14))
    fall *= float(draw.uniform(0.8, 1.25))
    voice = Voice(
        harmonics=tuple(n**-fall if (n - 1) % step == 0 else 0.0 for n in range(1, count + 1)),
        level=level * float(draw.uniform(0.6, 1.5)),
        octave=octave + int(draw.integers(2)),
        attack=attack,
        decay=decay * float(draw.uniform(0.7, 1.4)),
        pan=float(draw.uniform(-0.6, 0.6)),
        vibrato=0.0,
    )
    return word, voice


def _pattern(draw: np.random.Generator, steps: int, degrees: str) -> str:
    """Return a bar of one part: the first place is always played."""
    letters = [str(draw.choice(list(degrees))) if draw.random() < 0.6 else str(draw.choice([".", "-"]))
               for _ in range(steps - 1)]  # fmt: skip
    return "0" + "".join(letters)


def write_song(song: DemoSong, folder: Path) -> Path:
    """Write a song with its caption; one that is there already stays."""
    path = folder / f"{song.stem}.flac"
    if not path.is_file():
        files.write(path, render(song), RATE_HZ)
        write_text(path.with_suffix(".caption.txt"), song.caption + "\n")
    return path


def write_noise(path: Path, seed: int, number: int, seconds: float) -> Path:
    """Write noise of a colour between brown and blue that swells or does not; even numbers are white and steady."""
    draw = np.random.default_rng([seed, number, 2])
    count = round(seconds * RATE_HZ)
    spectrum = np.fft.rfft(draw.standard_normal((count, 2)), axis=0)
    slope = 0.0 if number % 2 == 0 else float(draw.uniform(-1.0, 0.5))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / RATE_HZ), 20.0)
    audio = np.fft.irfft(spectrum * (hertz**slope)[:, None], count, axis=0)
    if slope:
        audio *= 1.2 + np.sin(2 * np.pi * draw.uniform(0.1, 1.0) * np.arange(count) / RATE_HZ)[:, None]
    if not path.is_file():
        files.write(path, peak_normalise(audio.astype(np.float32)), RATE_HZ)
        write_text(path.with_suffix(".caption.txt"), "noise\n")
    return path

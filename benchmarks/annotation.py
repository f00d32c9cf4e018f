"""How often tempo and key are right, and how fast they are found: `python benchmarks/annotation.py [folder]`.

Click tracks and the demo songs have known answers. A folder of songs adds its speed; where a file `notes.mid` lies
beside the audio (as in the songs of Frets on Fire) its tempo is the answer.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from acetune.annotation.annotator import ANALYSIS_RATE_HZ
from acetune.annotation.key import key
from acetune.annotation.tempo import tempo
from acetune.audio.files import AUDIO_SUFFIXES, read_mono
from acetune.audio.signal import Samples
from acetune.audio.songs import demo_songs, write_demo_songs

CLICK_BPM = (60.0, 72.5, 90.0, 100.0, 111.3, 120.0, 128.0, 140.0, 155.5, 174.0, 200.0)


def clicks(bpm: float, seconds: float = 60.0) -> Samples:
    audio = np.zeros(round(seconds * ANALYSIS_RATE_HZ), np.float32)
    at = np.arange(400) / ANALYSIS_RATE_HZ
    tick = (0.8 * np.sin(2 * np.pi * 1000 * at) * np.exp(-300 * at)).astype(np.float32)
    for beat in range(int(seconds * bpm / 60)):
        part = audio[round(beat * 60 / bpm * ANALYSIS_RATE_HZ) :][: len(tick)]
        part += tick[: len(part)]
    return audio


def midi_bpm(path: Path) -> float | None:
    """Return the only tempo of a MIDI file (the event FF 51 03 holds microseconds per beat)."""
    data = path.read_bytes()
    found = {data[at + 3 : at + 6] for at in range(len(data)) if data[at : at + 3] == b"\xff\x51\x03"}
    return 60e6 / int.from_bytes(found.pop(), "big") if len(found) == 1 else None


def songs_of(folder: Path) -> Iterator[tuple[Samples, float | None, str | None]]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem != "guitar":
            notes = path.with_name("notes.mid")
            yield read_mono(path, ANALYSIS_RATE_HZ), midi_bpm(notes) if notes.exists() else None, None


def demos() -> Iterator[tuple[Samples, float | None, str | None]]:
    with TemporaryDirectory() as folder:
        for song, path in zip(demo_songs(), write_demo_songs(Path(folder)), strict=True):
            yield read_mono(path, ANALYSIS_RATE_HZ), song.bpm, song.keyscale


class Tally:
    """Asks one detector, counts right answers and adds up times."""

    def __init__(self, name: str, detect: Callable[[Samples], Any], is_right: Callable[[Any, Any], bool]) -> None:
        self.name, self.detect, self.is_right = name, detect, is_right
        self.right = self.asked = self.songs = self.silent = 0
        self.audio_seconds = self.spent_seconds = 0.0

    def ask(self, audio: Samples, answer: object) -> None:
        """Let the detector hear a song whose answer is this, or unknown (None)."""
        start = time.perf_counter()
        found = self.detect(audio)
        self.spent_seconds += time.perf_counter() - start
        self.audio_seconds += len(audio) / ANALYSIS_RATE_HZ
        self.songs += 1
        self.silent += found is None
        self.asked += answer is not None
        self.right += answer is not None and found is not None and self.is_right(found, answer)

    def __str__(self) -> str:
        share = f"{self.right}/{self.asked}" if self.asked else "-"
        speed = self.audio_seconds / self.spent_seconds
        return f"{self.name:<24}{self.songs:>6}{share:>12}{self.silent:>12}{speed:>12.0f}x"


def measure(name: str, songs: Iterator[tuple[Samples, float | None, str | None]]) -> None:
    beats = Tally(f"{name}: tempo", tempo, lambda found, bpm: abs(found.bpm - bpm) < 0.1)
    keys = Tally(f"{name}: key", key, lambda found, keyscale: found.keyscale == keyscale)
    for audio, bpm, keyscale in songs:
        beats.ask(audio, bpm)
        keys.ask(audio, keyscale)
    print(beats, keys, sep="\n")


def main() -> None:
    print(f"{'':<24}{'songs':>6}{'right':>12}{'no answer':>12}{'x realtime':>13}")
    tempo(clicks(120))  # the first call imports scipy
    measure("clicks", ((clicks(bpm), bpm, None) for bpm in CLICK_BPM))
    measure("demo songs", demos())
    for folder in sys.argv[1:]:
        measure(Path(folder).name[:12], songs_of(Path(folder)))


if __name__ == "__main__":
    main()

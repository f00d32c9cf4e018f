"""How often tempo, key and metre are right, and how fast they are: `python benchmarks/annotation.py [folder ...]`.

Without a folder: click tracks, the demo songs, three times 96 composed songs (`composer.py`), and 48 that nothing was
ever tuned on.
A folder of real music shows what is heard in each song, and the speed; where a file `notes.mid` lies beside the audio
(as in the songs of Frets on Fire) its tempo is the answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from composer import render, songs
from timing import Table, arguments, publish

from acetune.annotation.annotator import ANALYSIS_RATE_HZ
from acetune.annotation.key import key
from acetune.annotation.meter import meter
from acetune.annotation.tempo import rhythm
from acetune.audio.files import AUDIO_SUFFIXES, read_mono
from acetune.audio.signal import Samples, resample
from acetune.audio.songs import RATE_HZ, demo_songs
from acetune.audio.songs import render as render_demo

CLICK_BPM = (40.0, 52.0, 60.0, 72.5, 90.0, 100.0, 111.3, 120.0, 128.0, 140.0, 155.5, 174.0, 200.0, 220.0)
#: Seeds of the songs on which things were tried out, and of those on which they never were.
TRIED, UNSEEN = (11, 12, 47), 83

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """A song and what is known of it; None where it is not."""

    name: str
    audio: Samples
    bpm: float | None = None
    keyscale: str | None = None
    timesignature: str | None = None


@dataclass(frozen=True)
class Heard:
    """What was heard in a song and how sure that is; None where nothing was.

    Attributes:
        song: Without its audio.
        seconds: Of the audio.
        spent: Processor seconds for rhythm and for key.
    """

    song: Known
    seconds: float
    bpm: tuple[float, float] | None
    keyscale: tuple[str, float] | None
    timesignature: tuple[str, float] | None
    variable: bool
    spent: tuple[float, float]

    def right(self, tolerance: float) -> tuple[bool | None, bool | None, bool | None]:
        """Return whether tempo (within a share), key and metre are right; None where they are not known."""
        song = self.song
        return (
            None if song.bpm is None else self.bpm is not None and abs(self.bpm[0] / song.bpm - 1) <= tolerance,
            None if song.keyscale is None else self.keyscale is not None and self.keyscale[0] == song.keyscale,
            None if song.timesignature is None else (self.timesignature or "?")[0] == song.timesignature,
        )


def clicks(bpm: float, seconds: float = 60.0) -> Samples:
    audio = np.zeros(round(seconds * ANALYSIS_RATE_HZ), np.float32)
    at = np.arange(400) / ANALYSIS_RATE_HZ
    tick = (0.8 * np.sin(2 * np.pi * 1000 * at) * np.exp(-300 * at)).astype(np.float32)
    for beat in range(int(seconds * bpm / 60)):
        part = audio[round(beat * 60 / bpm * ANALYSIS_RATE_HZ) :][: len(tick)]
        part += tick[: len(part)]
    return audio


def composed(seed: int, count: int) -> Iterator[Known]:
    for song in songs(seed, count):
        yield Known(str(song.number), render(song, seed), song.bpm, song.keyscale, song.timesignature)


def demos() -> Iterator[Known]:
    for song in demo_songs():
        audio = resample(render_demo(song).mean(axis=1), RATE_HZ, ANALYSIS_RATE_HZ)
        yield Known(song.stem, audio, song.bpm, song.keyscale, str(song.beats))


def songs_of(folder: Path) -> Iterator[Known]:
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in AUDIO_SUFFIXES and path.stem != "guitar":
            notes = path.with_name("notes.mid")
            name = path.parent.name if notes.exists() else path.stem
            yield Known(name, read_mono(path, ANALYSIS_RATE_HZ), midi_bpm(notes) if notes.exists() else None)


def midi_bpm(path: Path) -> float | None:
    """Return the only tempo of a MIDI file (the event FF 51 03 holds microseconds per beat)."""
    data = path.read_bytes()
    found = {data[at + 3 : at + 6] for at in range(len(data)) if data[at : at + 3] == b"\xff\x51\x03"}
    return 60e6 / int.from_bytes(found.pop(), "big") if len(found) == 1 else None


def hear(song: Known) -> Heard:
    found, rhythm_seconds = clocked(lambda: rhythm(song.audio))
    tonic, key_seconds = clocked(lambda: key(song.audio))
    return Heard(
        replace(song, audio=song.audio[:0].copy()),
        len(song.audio) / ANALYSIS_RATE_HZ,
        found and (found.bpm, found.confidence),
        tonic and (tonic.keyscale, tonic.confidence),
        found and meter(found),
        bool(found and found.variable),
        (rhythm_seconds, key_seconds),
    )


def clocked(work: Callable[[], T]) -> tuple[T, float]:
    start = time.thread_time()
    result = work()
    return result, time.thread_time() - start


def counts(name: str, found: list[Heard], tolerance: float = 0.02) -> tuple[str, ...]:
    """Return one line of the table of right answers."""
    columns = zip(*(heard.right(tolerance) for heard in found), strict=True)
    shares = [[right for right in column if right is not None] for column in columns]
    cells = [f"{sum(share)}/{len(share)} = {sum(share) / len(share):.1%}" if share else "-" for share in shares]
    seconds = sum(heard.seconds for heard in found)
    speeds = [seconds / sum(heard.spent[at] for heard in found) for at in (0, 1)]
    return (name, str(len(found)), *cells, *(f"{speed:,.0f}" for speed in speeds))


def row(heard: Heard) -> tuple[str, ...]:
    """Return what was heard in one song."""
    bpm = "-" if heard.bpm is None else f"{heard.bpm[0]:.1f} ({heard.bpm[1]:.2f})"
    texts = ["-" if said is None else f"{said[0]} ({said[1]:.2f})" for said in (heard.keyscale, heard.timesignature)]
    answer = "" if heard.song.bpm is None else f"{heard.song.bpm:.1f}"
    return (heard.song.name, bpm, answer, *texts, "yes" if heard.variable else "")


def wrong(name: str, found: list[Heard]) -> Iterator[tuple[str, ...]]:
    """Yield the songs of which something was heard wrongly."""
    for heard in found:
        if False in heard.right(0.02):
            song = heard.song
            yield (
                f"{name} {song.name}",
                f"{song.bpm} {song.timesignature}, {song.keyscale}",
                *row(heard)[1:5:2],
                row(heard)[4],
            )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("folder", nargs="*", type=Path, help="real music")
    parser.add_argument("--wrong", action="store_true", help="list the songs of which something was heard wrongly")
    chosen = parser.parse_args()
    hear(Known("", clicks(120)))  # the first call imports scipy
    tables = []
    right = ("", "songs", "tempo within 2 %", "key", "metre", "rhythm x realtime", "key x realtime")
    if chosen.folder:
        sets = {folder.name: list(map(hear, songs_of(folder))) for folder in chosen.folder}
        heads = ("", "tempo (sure)", "known", "key (lead)", "metre (sure)", "varies")
        tables = [Table(name, heads, tuple(map(row, found))) for name, found in sets.items()]
    else:
        known = {
            "demo songs": demos(),
            **{f"96 composed songs, seed {seed}": composed(seed, 96) for seed in TRIED},
            "48 never tuned on": composed(UNSEEN, 48),
        }
        sets = {name: list(map(hear, found)) for name, found in known.items()}
        ticks = [hear(Known(f"{bpm}", clicks(bpm), bpm)) for bpm in CLICK_BPM]
        off = [abs(heard.bpm[0] - heard.song.bpm) if heard.bpm else np.inf for heard in ticks if heard.song.bpm]
        tables.append(Table("Clicks", ("tracks", "worst BPM off"), ((str(len(ticks)), f"{max(off):.3f}"),)))
    tables.append(Table("Right answers", right, tuple(counts(name, found) for name, found in sets.items())))
    if chosen.wrong:
        lines = tuple(line for name, found in sets.items() for line in wrong(name, found))
        tables.append(Table("Wrong answers", ("", "known", "tempo (sure)", "key (lead)", "metre (sure)"), lines))
    publish(tables, chosen.json, threads=1)


if __name__ == "__main__":
    main()

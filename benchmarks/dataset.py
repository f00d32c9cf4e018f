"""How long large data sets take to load, to check and to search for twins: `python benchmarks/dataset.py`.

Nothing is decoded: metadata are generated, and fingerprints are random words of which a part is common to many songs,
as in real music. Of each hundred songs one is a copy of another, three seconds shorter and with a tenth of its bits
wrong.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from timing import Table, arguments, publish

from acetune import data
from acetune.audio.faults import Health
from acetune.audio.fingerprint import FRAMES_PER_SECOND, Fingerprint, find_twins
from acetune.data import manifest as manifests
from acetune.data.findings import CheckResult
from acetune.data.hearing import Guess, Heard, note_line
from acetune.data.settings import DatasetSettings
from acetune.data.track import Mark, Source, Track
from acetune.files import hash_of

WORDS = [
    "dreamy",
    "warm",
    "analog",
    "bass",
    "glassy",
    "arpeggio",
    "breathy",
    "vocals",
    "slow",
    "build",
    "tape",
    "reverb",
    "piano",
    "strings",
    "drums",
]
KEYS = ("C major", "A minor", "F# minor", "Bb major")
#: Seconds that the design allows for 5,000 tracks.
ALLOWED = {"load": 1.0, "check of words": 5.0, "search for twins": 300.0, "check again": 300.0}


def tracks(count: int) -> tuple[Track, ...]:
    """Return songs with captions of 50 words, lyrics of 60 lines and marks, each its own."""
    rng = np.random.default_rng(0)
    marks = {"caption": Mark(Source.MODEL, 0.8), "bpm": Mark(Source.SIGNAL, 0.4), "keyscale": Mark(Source.FILE)}
    return tuple(
        Track(
            path=f"disc{number % 50}/song{number}.mp3",
            seconds=180.0 + number % 60,
            caption=", ".join(rng.choice(WORDS, 50)),
            tags=tuple(rng.choice(WORDS, 6)),
            lyrics="[verse]\n" + "\n".join(" ".join(rng.choice(WORDS, 6)) for _ in range(60)),
            bpm=float(rng.integers(60, 180)),
            keyscale=KEYS[number % 4],
            timesignature="4",
            language="en",
            instrumental=False,
            audio_sha256=2 * hash_of(number),
            provenance=marks,
            extra={"artist": f"Band {number % 300}"},
        )
        for number in range(count)
    )


def fingerprints(count: int, seconds: float) -> list[Fingerprint]:
    """Return fingerprints of songs, one in a hundred a twin of the one before it."""
    rng = np.random.default_rng(0)
    frames = round(seconds * FRAMES_PER_SECOND)
    common = rng.integers(1, 2**32, 500, dtype=np.uint32)
    songs = []
    for _ in range(count):
        song = rng.integers(1, 2**32, frames, dtype=np.uint32)
        often = rng.random(frames) < 0.05
        song[often] = rng.choice(common, int(often.sum()))
        songs.append(song)
    for number in range(99, count, 100):
        wrong = np.packbits(rng.random((frames, 32)) < 0.1, axis=1).view(np.uint32)[:, 0]
        songs[number] = (songs[number - 1] ^ wrong)[round(3 * FRAMES_PER_SECOND) :]
    return songs


def remember(folder: Path, songs: list[Fingerprint]) -> None:
    """Write what was heard of each track, and an empty file in its place, so that nothing need be decoded."""
    health = Health(0.9, 0, 0.0, 0.01, 0.01, 0.2, 0.5, -6.0, 0.3, 0.5, None)
    lines = []
    for track, song in zip(manifests.load(folder).tracks, songs, strict=True):
        (folder / track.path).parent.mkdir(exist_ok=True)
        (folder / track.path).touch()
        guesses = {"bpm": Guess(track.bpm, 0.5), "keyscale": Guess(track.keyscale, 0.2)}
        lines.append(note_line(Heard(track.audio_sha256, 0, 48_000, 2, -14.0, health, song, None, guesses)))
    (folder / ".acetune" / "heard.jsonl").write_bytes(b"".join(lines))


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return processor seconds, seconds on the clock, and what came of it."""
    processor, clock = time.process_time(), time.perf_counter()
    result = work()
    return time.process_time() - processor, time.perf_counter() - clock, result


def row(name: str, work: Callable[[], Any], result: Callable[[Any], str]) -> tuple[float | str, ...]:
    """Return a row of the table."""
    processor, clock, found = timed(work)
    return (name, processor, clock, ALLOWED[name], result(found))


def findings(result: CheckResult) -> str:
    """Return what a check found, in words."""
    return f"{len(result.findings)} findings"


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=240.0, help="length of each song")
    chosen = parser.parse_args()
    songs = fingerprints(chosen.tracks, chosen.seconds)
    planted = len(range(99, chosen.tracks, 100))
    with TemporaryDirectory() as name:
        folder = Path(name)
        manifests.save(manifests.Manifest(folder, tracks(chosen.tracks), DatasetSettings("songs", trigger="zxband")))
        data.check(folder, audio=False, tracks=["song0.mp3"], home=folder)  # imports
        rows = [
            row("load", lambda: manifests.load(folder), lambda manifest: f"{len(manifest.tracks)} tracks"),
            row("check of words", lambda: data.check(folder, audio=False, home=folder), findings),
            row("search for twins", lambda: find_twins(songs), lambda found: f"{len(found)} of {planted} pairs"),
        ]
        remember(folder, songs)
        rows.append(row("check again", lambda: data.check(folder, home=folder), findings))
    columns = ("work", "processor s", "clock s", "allowed s", "result")
    title = f"{chosen.tracks} tracks of {chosen.seconds:.0f} s"
    publish([Table(title, columns, tuple(rows))], chosen.json, 1)


if __name__ == "__main__":
    main()

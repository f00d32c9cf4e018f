"""Each fault is found in each of eight songs, and nothing else is; clean songs give no alarm."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from acetune.audio import files
from acetune.audio.faults import examine
from acetune.audio.songs import demo_songs, render
from acetune.data import hearing
from acetune.data.hearing import Guess, Heard, hear
from acetune.data.sound_checks import loudness_findings, sound_findings
from acetune.data.track import Mark, Source, Track
from encoder import encode

RATE = 48_000
SONGS = [song.stem for song in demo_songs()]


def still(seconds):
    return np.zeros((round(seconds * RATE), 2), np.float32)


#: Code to what makes a clean song (samples, 2) have that fault, and the rate at which it is written.
FAULTS = {
    "check.clipping": (lambda a: np.clip(4 * a, -1, 1), RATE),
    "check.dc": (lambda a: a + np.float32(0.01), RATE),
    "check.dual_mono": (lambda a: np.repeat(a.mean(axis=1, keepdims=True), 2, axis=1), RATE),
    "check.near_mono": (lambda a: a.mean(axis=1, keepdims=True) + 0.02 * a, RATE),
    "check.mono": (lambda a: a.mean(axis=1, keepdims=True), RATE),
    "check.dead_channel": (lambda a: a * np.array([1, 0.001], np.float32), RATE),
    "check.polarity": (lambda a: a * np.array([1, -1], np.float32), RATE),
    "check.low_rate": (lambda a: a, 22_050),
    "check.silent_ends": (lambda a: np.concatenate([a, still(5.2)]), RATE),
    "check.mostly_silent": (lambda a: np.concatenate([a[:RATE], 1e-5 * a]), RATE),
    "check.silent": (lambda a: np.concatenate([a[: RATE // 10], 1e-5 * a[RATE // 2 :]]), RATE),
    "check.zeros": (lambda a: np.concatenate([a[: RATE // 4], still(12)]), RATE),
}


@pytest.fixture(scope="module")
def clean():
    """Four seconds of each of the eight songs of the demo."""
    return {song.stem: render(song)[: 4 * RATE] for song in demo_songs()}


def heard(audio, rate=RATE):
    """What `hear` makes of audio, without the parts that no check of a single recording reads."""
    audio = audio.astype(np.float32)
    return Heard(
        sha256="0" * 64,
        size=1,
        rate_hz=rate,
        channels=audio.shape[1],
        lufs=None,
        health=examine(audio, rate),
        fingerprint=np.zeros(0, np.uint32),
        artist=None,
        guesses=None,
    )


def found(audio, rate=RATE, **fields):
    """The codes that are found in a recording, which counts as twelve seconds long."""
    track = Track(**{"path": "song.wav", "seconds": 12.0, "audio_sha256": "0" * 64, **fields})
    return [finding.code for finding in sound_findings(track, heard(audio, rate))]


@pytest.mark.parametrize("song", SONGS)
def test_a_clean_song_gives_no_alarm(song, clean):
    assert found(clean[song]) == []


@pytest.mark.parametrize("song", SONGS)
def test_a_clean_song_at_full_level_gives_no_alarm(song, clean):
    assert found(clean[song] / np.abs(clean[song]).max() * 0.99) == []


@pytest.mark.parametrize("song", SONGS)
@pytest.mark.parametrize("code", FAULTS)
def test_a_fault_is_found_in_every_song_and_nothing_else_is(code, song, clean):
    change, rate = FAULTS[code]

    assert found(change(clean[song]), rate) == [code]


@pytest.mark.parametrize("song", SONGS)
def test_a_song_that_was_compressed_hard_is_found(song, clean, tmp_path):
    low = files.read(encode(tmp_path / "low.mp3", clean[song], kbps=64))

    assert found(low) == ["check.lossy"]


@pytest.mark.parametrize(("suffix", "kbps"), [(".mp3", 192), (".ogg", 128), (".opus", 128), (".m4a", 128)])
def test_usual_compression_gives_no_alarm(suffix, kbps, clean, tmp_path):
    assert found(files.read(encode(tmp_path / f"song{suffix}", clean[SONGS[0]], kbps=kbps))) == []


def at(lufs):
    return SimpleNamespace(lufs=lufs)


@pytest.mark.parametrize(
    ("levels", "outliers"),
    [
        ([-14, -13, -15, -14.5, -13.5, -30], [5]),
        ([-14, -13, -15, -14.5, -13.5, -5], [5]),
        ([-14, -13, -15, -14.5, -13.5, -19], []),
        ([-20, -14, -8, -17, -11, -26], []),
        ([-14, -14, -14, -14, -14, -14, None], []),
        ([-14, -13, -15, -40], []),
        ([], []),
    ],
)
def test_songs_that_stand_out_in_loudness_are_found(levels, outliers):
    found = loudness_findings({str(place): at(lufs) for place, lufs in enumerate(levels)})

    assert [int(finding.track) for finding in found] == outliers


#: What was said of a field and by whom, what is heard and how sure, and whether that is worth a word.
HEARD = [
    ("bpm", 90.0, Source.FILE, 120.0, 0.5, True),
    ("bpm", 90.0, None, 120.0, 0.5, True),
    ("bpm", 60.0, Source.FILE, 120.0, 0.5, False),
    ("bpm", 90.0, Source.FILE, 60.0, 0.5, False),
    ("bpm", 119.0, Source.FILE, 120.0, 0.5, False),
    ("bpm", 90.0, Source.FILE, 120.0, 0.05, False),
    ("bpm", 90.0, Source.SIGNAL, 120.0, 0.5, False),
    ("bpm", 90.0, Source.MODEL, 120.0, 0.5, True),
    ("keyscale", "C major", Source.FILE, "F# major", 0.2, True),
    ("keyscale", "C major", Source.FILE, "A minor", 0.2, False),
    ("keyscale", "C major", Source.FILE, "G major", 0.2, False),
    ("keyscale", "D# minor", Source.FILE, "Eb minor", 0.2, False),
    ("keyscale", "C major", Source.FILE, "F# major", 0.01, False),
]


@pytest.mark.parametrize(("field", "said", "source", "guess", "confidence", "told"), HEARD)
def test_a_signal_that_denies_what_a_file_says_is_told(field, said, source, guess, confidence, told, clean):
    marks = {} if source is None else {field: Mark(source)}
    track = Track(path="song.wav", seconds=12.0, audio_sha256="0" * 64, provenance=marks, **{field: said})
    note = replace(heard(clean[SONGS[0]]), guesses={field: Guess(guess, confidence)})
    expected = {"bpm": "check.bpm_heard", "keyscale": "check.key_heard"}[field]

    assert [finding.code for finding in sound_findings(track, note)] == ([expected] if told else [])


@pytest.mark.parametrize("score", demo_songs()[:2], ids=lambda score: score.stem)
def test_estimators_agree_with_the_scores(score, tmp_path):
    files.write(tmp_path / "song.wav", render(score), RATE)
    note = hearing.read_note(hear(json.dumps([str(tmp_path / "song.wav"), True])))
    track = Track(path="song.wav", seconds=12.0, bpm=score.bpm, keyscale=score.keyscale, audio_sha256=note.sha256)

    assert set(note.guesses) == {"bpm", "keyscale"}
    assert list(sound_findings(track, note)) == []


@pytest.mark.parametrize(("seconds", "code"), [(9.9, "check.short"), (601.0, "check.long")])
def test_songs_outside_the_range_of_the_model_are_told(seconds, code, clean):
    assert found(clean[SONGS[0]], seconds=seconds) == [code]


def test_a_replaced_file_is_told(clean):
    assert found(clean[SONGS[0]], audio_sha256="1" * 64) == ["check.changed"]

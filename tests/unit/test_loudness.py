"""Loudness against the test signals of EBU Tech 3341, whose answers are known."""

from __future__ import annotations

import contextlib
from fractions import Fraction

import av
import numpy as np
import pytest

from acetune.audio.loudness import loudness, to_loudness, true_peak
from acetune.audio.songs import demo_songs, render

RATE = 48_000

#: Level and length of the parts of each signal of table 1, and its loudness in LUFS (cases 1 to 5).
SIGNALS = {
    1: ([(-23, 20)], -23.0),
    2: ([(-33, 20)], -33.0),
    3: ([(-36, 10), (-23, 60), (-36, 10)], -23.0),
    4: ([(-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)], -23.0),
    5: ([(-26, 20), (-20, 20.1), (-26, 20)], -23.0),
}
#: Frequency as a part of the rate, phase in degrees, amplitude, and the true peak in dBTP (cases 15 to 19).
PEAKS = {
    15: (4, 0, 0.5, -6.0),
    16: (4, 45, 0.5, -6.0),
    17: (6, 60, 0.5, -6.0),
    18: (8, 67.5, 0.5, -6.0),
    19: (4, 45, 1.41, 3.0),
}


def sine(seconds, amplitude, hertz=1000.0, phase=0.0, rate=RATE):
    """A sine in both channels."""
    time = np.arange(round(seconds * rate)) / rate
    wave = amplitude * np.sin(2 * np.pi * hertz * time + np.deg2rad(phase))
    return np.stack([wave, wave], axis=1).astype(np.float32)


@pytest.mark.parametrize(("case", "rate"), [*((case, RATE) for case in SIGNALS), (1, 44_100), (2, 96_000)])
def test_the_loudness_of_a_test_signal_is_right_within_a_tenth(case, rate):
    parts, expected = SIGNALS[case]
    signal = np.concatenate([sine(seconds, 10 ** (level / 20), rate=rate) for level, seconds in parts])

    assert loudness(signal, rate) == pytest.approx(expected, abs=0.1)


def test_one_channel_is_three_units_softer_than_two():
    assert loudness(sine(5, 0.1, 997)[:, :1], RATE) == pytest.approx(-23.0, abs=0.1)


@pytest.mark.parametrize("case", PEAKS)
def test_the_true_peak_of_a_test_signal_is_within_the_tolerance(case):
    divisor, phase, amplitude, expected = PEAKS[case]
    fade = np.minimum(1, np.minimum(np.arange(RATE), np.arange(RATE)[::-1]) / 4800, dtype=np.float32)[:, None]
    found = true_peak(fade * sine(1, amplitude, RATE / divisor, phase), RATE)

    assert expected - 0.4 <= found <= expected + 0.2


def test_a_true_peak_is_found_wherever_it_lies():
    audio = np.zeros((600_000, 2), np.float32)
    audio[500_000:500_100] = sine(100 / RATE, 0.5, RATE / 4, 45)

    assert true_peak(audio, RATE) == pytest.approx(-6, abs=0.5)
    assert 20 * np.log10(np.abs(audio).max()) < -8.9


@pytest.mark.parametrize("audio", [np.zeros((RATE, 2), np.float32), sine(0.39, 0.5)], ids=["silence", "short"])
def test_what_has_no_loudness_is_left_as_it_is(audio):
    levelled = to_loudness(audio, RATE)

    assert loudness(audio, RATE) is None
    assert (levelled.gain_db, levelled.missed_db) == (0.0, 0.0)
    assert np.array_equal(levelled.audio, audio)


@pytest.mark.parametrize("song", demo_songs()[:3], ids=lambda song: song.stem)
def test_a_song_comes_to_the_loudness_that_was_asked_for(song):
    levelled = to_loudness(render(song), RATE, lufs=-20)

    assert loudness(levelled.audio, RATE) == pytest.approx(-20, abs=0.1)
    assert levelled.missed_db == 0
    assert levelled.audio.dtype == np.float32


def test_peaks_stay_below_the_ceiling_and_the_missing_loudness_is_told():
    audio = sine(5, 0.05)
    audio[RATE] = 0.9
    levelled = to_loudness(audio, RATE, lufs=-14)

    assert true_peak(levelled.audio, RATE) == pytest.approx(-1, abs=0.1)
    assert levelled.missed_db == pytest.approx(-14 - loudness(levelled.audio, RATE), abs=0.1)
    assert levelled.missed_db > 10


def test_what_is_only_too_high_is_turned_down():
    levelled = to_loudness(sine(0.2, 1.4), RATE)

    assert true_peak(levelled.audio, RATE) == pytest.approx(-1, abs=0.1)
    assert levelled.missed_db == 0


def ffmpeg_loudness(audio):
    """The integrated loudness that FFmpeg's filter tells."""
    graph = av.filter.Graph()
    ends = graph.add_abuffer(format="flt", sample_rate=RATE, layout="stereo", time_base=Fraction(1, RATE))
    meter, sink = graph.add("ebur128", "metadata=1"), graph.add("abuffersink")
    ends.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(audio.reshape(1, -1), format="flt", layout="stereo")
    frame.sample_rate, frame.pts = RATE, 0
    graph.push(frame)
    graph.push(None)
    told = None
    with contextlib.suppress(av.error.EOFError, av.error.BlockingIOError):
        while True:
            told = graph.pull().metadata.get("lavfi.r128.I", told)
    return float(told)


@pytest.mark.parametrize("song", demo_songs()[:3], ids=lambda song: song.stem)
def test_loudness_agrees_with_the_meter_of_ffmpeg(song):
    assert loudness(render(song), RATE) == pytest.approx(ffmpeg_loudness(render(song)), abs=0.1)

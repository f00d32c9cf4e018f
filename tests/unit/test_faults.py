"""Measures of recordings, on sounds whose measures are known."""

from __future__ import annotations

import numpy as np
import pytest

from acetune.audio import files
from acetune.audio.faults import cutoff, examine
from acetune.audio.signal import resample, silent_ends
from acetune.audio.songs import demo_songs, render
from encoder import encode

RATE = 48_000


def noise(seconds=2.0, level=0.1, seed=0, channels=2):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((round(seconds * RATE), channels))).astype(np.float32)


def sine(hertz, amplitude=0.5, seconds=2.0):
    wave = amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * RATE)) / RATE)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def test_unrelated_channels_have_no_correlation_and_sides_as_loud_as_the_middle():
    health = examine(noise(), RATE)

    assert health.correlation == pytest.approx(0, abs=0.01)
    assert health.side_db == pytest.approx(0, abs=0.1)
    assert health.imbalance_db == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(
    ("right", "correlation", "side_db"), [(1.0, 1.0, -200.0), (-1.0, -1.0, 200.0), (0.998, 1.0, -60.0)]
)
def test_channels_that_are_alike_or_opposite_are_told(right, correlation, side_db):
    health = examine(noise(channels=1) * np.array([1, right], np.float32), RATE)

    assert health.correlation == pytest.approx(correlation, abs=1e-3)
    assert health.side_db == pytest.approx(side_db, abs=0.1)


def test_an_empty_channel_has_no_correlation_and_lies_far_below():
    health = examine(noise() * np.array([1, 0], np.float32), RATE)

    assert health.correlation is None
    assert health.imbalance_db == 200


@pytest.mark.parametrize("audio", [noise(channels=1), np.zeros((RATE, 2), np.float32)], ids=["mono", "silence"])
def test_one_channel_and_silence_say_nothing_about_stereo(audio):
    health = examine(audio, RATE)

    assert (health.side_db, health.correlation, health.imbalance_db) == (None, None, None)


@pytest.mark.parametrize(("shift", "expected"), [((0.0, 0.0), 0.0), ((0.01, 0.0), 0.01), ((0.002, -0.02), 0.02)])
def test_the_offset_is_that_of_the_worse_channel(shift, expected):
    assert examine(sine(440) + np.array(shift, np.float32), RATE).dc == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("gain", "ceiling", "clipped"), [(1.0, 9.0, False), (4.0, 1.0, True), (4.0, 0.99, True), (4.0, 0.9, False)]
)
def test_runs_at_full_scale_are_counted_also_where_the_song_was_turned_down_a_little(gain, ceiling, clipped):
    audio = np.clip(gain * sine(440, amplitude=0.9), -ceiling, ceiling)
    runs = examine(audio, RATE).clipped_runs

    assert runs == (2 * 2 * 440 * 2 if clipped else 0)


def test_peaks_between_which_nothing_is_flat_are_not_clipped():
    audio = noise(level=0.2)
    audio[::1000] = 1.0

    assert examine(audio, RATE).clipped_runs == 0


@pytest.mark.parametrize(("lead", "tail"), [(0.0, 0.0), (1.5, 0.0), (0.0, 2.05), (0.7, 0.3)])
def test_silence_at_the_ends_is_measured_in_frames(lead, tail):
    still = np.zeros((RATE, 2), np.float32)
    audio = np.concatenate(
        [np.resize(still, (round(lead * RATE), 2)), noise(), np.resize(still, (round(tail * RATE), 2))]
    )

    assert silent_ends(audio, RATE) == pytest.approx((lead, tail), abs=0.05)


def test_a_silent_song_is_all_lead():
    assert silent_ends(np.zeros((RATE, 2), np.float32), RATE) == (1.0, 0.0)


def test_silence_inside_is_neither_lead_nor_tail():
    audio = np.concatenate([noise(0.5), np.zeros((RATE, 2), np.float32), noise(0.5)])
    health = examine(audio, RATE)

    assert (health.lead, health.tail) == (0.0, 0.0)
    assert health.silent == pytest.approx(0.5)
    assert health.zeros == pytest.approx(0.5)


@pytest.mark.parametrize("song", demo_songs(), ids=lambda song: song.stem)
def test_the_spectrum_of_a_song_ends_nowhere(song):
    assert cutoff(render(song).mean(axis=1), RATE) is None


@pytest.mark.parametrize(("kbps", "low", "high"), [(48, 6000, 11_500), (64, 9000, 12_000), (96, 13_000, 16_000)])
def test_the_low_pass_of_an_encoder_is_found(kbps, low, high, tmp_path):
    song = encode(tmp_path / "song.mp3", render(demo_songs()[1]), kbps=kbps)

    assert low <= cutoff(files.read(song).mean(axis=1), RATE) <= high


@pytest.mark.parametrize("rate", [22_050, 32_000, 44_100])
def test_the_wall_of_the_sample_rate_is_no_fault(rate):
    song = resample(render(demo_songs()[1]), RATE, rate)

    assert cutoff(song.mean(axis=1), rate) is None


@pytest.mark.parametrize("audio", [sine(440), sine(9000), np.zeros((RATE, 2), np.float32)], ids=["low", "high", "none"])
def test_pure_tones_and_silence_have_no_wall(audio):
    assert cutoff(audio.mean(axis=1), RATE) is None


def test_music_that_fades_towards_high_frequencies_has_no_wall():
    spectrum = np.fft.rfft(noise(4)[:, 0])
    frequency = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    fading = np.fft.irfft(spectrum / (1 + (frequency / 2000) ** 4)).astype(np.float32)

    assert cutoff(fading, RATE) is None


@pytest.mark.parametrize("samples", [1, 100, 5000])
def test_very_short_sounds_are_measured_too(samples):
    health = examine(noise()[:samples], RATE)

    assert health.peak > 0
    assert np.isfinite([health.dc, health.silent, health.zeros, health.lead, health.tail]).all()

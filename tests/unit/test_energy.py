import numpy as np
import pytest

from acetune.annotation.energy import level, loudness_range, onset_rate

RATE = 22_050


def beats(per_second, seconds=10.0):
    """Short bursts of noise over a quiet chord."""
    time = np.arange(round(seconds * RATE)) / RATE
    chord = 0.02 * sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330))
    noise = 0.3 * np.random.default_rng(0).standard_normal(len(time))
    return (chord + noise * np.exp(-40 * (time % (1 / per_second)))).astype(np.float32)


def swelling(decibels, seconds=30.0):
    """A tone that gets louder."""
    time = np.arange(round(seconds * RATE)) / RATE
    gain = 10 ** (decibels * (time / seconds - 1) / 20)
    return (0.5 * gain * np.sin(2 * np.pi * 220 * time)).astype(np.float32)


@pytest.mark.parametrize("rate", [1.0, 2.0, 4.0])
def test_onsets_are_counted(rate):
    assert onset_rate(beats(rate)) == pytest.approx(rate, abs=0.11)


def test_soft_onsets_count_and_a_swell_is_none():
    time = np.arange(10 * RATE) / RATE
    pitch = 220 * 2 ** (np.floor(2 * time) % 5 / 5)
    strokes = np.minimum(1, 12 * (2 * time % 1)) * np.sin(2 * np.pi * np.cumsum(pitch) / RATE)
    pads = 0.3 * np.sin(2 * np.pi * 330 * time)

    assert onset_rate((0.2 * (strokes + pads)).astype(np.float32)) == pytest.approx(2, abs=0.5)
    assert onset_rate(swelling(20)) < 0.2


def test_the_loudness_range_is_that_of_the_middle_parts():
    assert loudness_range(swelling(20, 60)) == pytest.approx(0.85 * 20, abs=1.2)


def test_pauses_do_not_widen_the_loudness_range():
    song = np.concatenate([swelling(0, 30), np.zeros(20 * RATE, np.float32)])

    assert loudness_range(song) < 5


def test_more_beats_are_more_energy():
    levels = [level(beats(rate)) for rate in (0.5, 1, 2, 4, 8)]

    assert levels == sorted(levels)
    assert levels[0] < 0.4
    assert levels[-1] > 0.9


def test_an_even_song_has_more_energy_than_a_swelling_one():
    assert level(swelling(0)) > level(swelling(25))


def test_volume_does_not_matter():
    assert level(np.float32(0.05) * beats(2)) == pytest.approx(level(beats(2)), abs=1e-3)


@pytest.mark.parametrize(
    "audio",
    [np.zeros(10 * RATE, np.float32), np.zeros(0, np.float32), beats(2, seconds=2.0)],
    ids=["silence", "nothing", "short"],
)
def test_what_cannot_be_measured_has_no_level(audio):
    assert level(audio) is None


def test_noise_and_tones_stay_on_the_scale():
    noise = 0.1 * np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32)

    assert 0 <= level(noise) < 0.3
    assert 0 <= level(swelling(0)) < 0.3

import numpy as np
import pytest

from acetune.audio.signal import peak_normalise, resample, silent_share

RATE = 48_000


def noise(seconds, level):
    return (level * np.random.default_rng(0).uniform(-1, 1, (round(seconds * RATE), 2))).astype(np.float32)


@pytest.mark.parametrize("level", [0.001, 0.3, 4.0])
def test_the_largest_sample_comes_to_minus_one_decibel(level):
    audio = peak_normalise(noise(1, level))

    assert 20 * np.log10(np.abs(audio).max()) == pytest.approx(-1, abs=1e-4)
    assert audio.dtype == np.float32


def test_the_balance_of_the_channels_survives_normalisation():
    audio = noise(1, 0.2) * np.array([1, 0.5], np.float32)
    scaled = peak_normalise(audio, dbfs=-6)

    assert np.allclose(scaled[:, 1] / scaled[:, 0], audio[:, 1] / audio[:, 0])


@pytest.mark.parametrize("audio", [np.zeros((RATE, 2), np.float32), noise(1, 1e-7), np.zeros((0, 2), np.float32)])
def test_silence_is_not_amplified(audio):
    assert np.array_equal(peak_normalise(audio), audio)


@pytest.mark.parametrize(("loud", "silent", "share"), [(3, 1, 0.25), (1, 3, 0.75), (1, 0, 0.0), (0, 2, 1.0)])
def test_the_silent_share_counts_frames_below_minus_sixty_decibels(loud, silent, share):
    audio = np.concatenate([noise(loud, 0.1), noise(silent, 1e-4)])

    assert silent_share(audio, RATE) == pytest.approx(share)


@pytest.mark.parametrize(("decibels", "share"), [(-59.5, 0.0), (-60.5, 1.0)])
def test_the_border_of_silence_is_the_rms_of_a_frame(decibels, share):
    audio = np.full((RATE, 2), 10 ** (decibels / 20), np.float32)

    assert silent_share(audio, RATE) == share


def test_a_song_in_one_channel_only_is_not_silent():
    audio = noise(1, 0.01) * np.array([1, 0], np.float32)

    assert silent_share(audio, RATE) == 0


@pytest.mark.parametrize(("level", "share"), [(0.0015, 2 / 3), (0.0, 1.0)])
def test_a_last_partial_frame_counts_by_its_own_length(level, share):
    audio = np.concatenate([np.zeros((RATE // 10, 2), np.float32), np.full((RATE // 100, 2), level, np.float32)])

    assert silent_share(audio, RATE) == pytest.approx(share)


def test_no_audio_is_silent():
    assert silent_share(np.zeros((0, 2), np.float32), RATE) == 1


def test_resampling_keeps_pitch_and_length():
    time = np.arange(RATE) / RATE
    half = resample(np.sin(2 * np.pi * 440 * time).astype(np.float32), RATE, RATE // 2)
    expected = np.sin(2 * np.pi * 440 * time[::2])

    assert len(half) == RATE // 2
    assert np.abs(half - expected)[1000:-1000].max() < 1e-3


def test_the_same_rate_changes_nothing():
    audio = noise(1, 0.5)

    assert resample(audio, RATE, RATE) is audio

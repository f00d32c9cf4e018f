import numpy as np
import pytest

from acetune.annotation.annotator import Setup, Song
from acetune.annotation.curves import curves
from acetune.annotation.tempo import TempoAnnotator, rhythm
from acetune.audio.files import write
from acetune.audio.signal import resample
from acetune.data.track import Track
from acetune.events import Job

RATE = 22_050


def listened(folder, audio, rate=RATE):
    """What the annotator says about a file with this sound."""
    write(folder / "song.wav", 0.9 * audio[:, None], rate)
    song = Song(Track(path="song.wav", seconds=len(audio) / rate), folder / "song.wav")
    with TempoAnnotator().opened(Setup(folder, folder), Job()) as listen:
        return listen(song)


def clicks(bpm, seconds=20.0, accent=1, soft=0.4):
    """Short tones on the beat; every `accent`-th is at 0.8, the others are softer."""
    audio = np.zeros(round(seconds * RATE), np.float32)
    time = np.arange(400) / RATE
    tick = np.sin(2 * np.pi * 1000 * time) * np.exp(-time * 300)
    for beat in range(int(seconds * bpm / 60)):
        at = round(beat * 60 / bpm * RATE)
        part = audio[at : at + len(tick)]
        part += (0.8 if beat % accent == 0 else soft) * tick[: len(part)]
    return audio


def noise(seconds, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE)).astype(np.float32)


@pytest.mark.parametrize("bpm", [60, 66.6, 72.5, 80, 90, 97.3, 100, 111.3, 120, 128, 140, 155.5, 160, 174, 187, 200])
def test_clicks_are_counted_within_a_tenth(bpm):
    assert rhythm(clicks(bpm)).bpm == pytest.approx(bpm, abs=0.1)


@pytest.mark.parametrize("seconds", [6, 12, 45, 100])
def test_the_length_of_a_song_does_not_matter(seconds):
    assert rhythm(clicks(127, seconds)).bpm == pytest.approx(127, abs=0.2)


@pytest.mark.parametrize("accent", [2, 3, 4])
def test_an_accented_first_beat_does_not_hide_the_others(accent):
    assert rhythm(clicks(110, accent=accent)).bpm == pytest.approx(110, abs=0.1)


@pytest.mark.parametrize("gain", [0.003, 1.0, 5.0])
def test_loudness_does_not_matter(gain):
    assert rhythm(np.float32(gain) * clicks(133)).bpm == pytest.approx(133, abs=0.1)


def test_clicks_are_found_in_noise():
    assert rhythm(clicks(105) + 0.1 * noise(20)).bpm == pytest.approx(105, abs=0.1)


@pytest.mark.parametrize(
    ("rate", "soft", "bpm"),
    [(116, 0.2, 116), (120, 0.03, 60), (160, 0.2, 160), (160, 0.05, 80), (180, 0.3, 180), (180, 0.05, 90)],
)
def test_soft_clicks_between_loud_ones_count_as_beats_if_they_are_strong_or_the_beat_were_very_slow(rate, soft, bpm):
    assert rhythm(clicks(rate, 30, accent=2, soft=soft)).bpm == pytest.approx(bpm, abs=0.1)


def test_a_slow_beat_with_nothing_between_stays_slow():
    assert rhythm(clicks(50)).bpm == pytest.approx(50, abs=0.1)


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(20 * RATE, np.float32),
        np.zeros(0, np.float32),
        1e-4 * clicks(120),
        clicks(120, seconds=2.5),
        np.full(20 * RATE, 0.1, np.float32),
        np.sin(2 * np.pi * 440 * np.arange(20 * RATE) / RATE).astype(np.float32),
    ],
    ids=["silence", "nothing", "inaudible", "too short", "constant", "steady tone"],
)
def test_what_has_no_beat_has_no_tempo(audio):
    assert rhythm(audio) is None


@pytest.mark.parametrize("seconds", [5, 12, 30, 90])
def test_noise_has_no_tempo_worth_trusting(seconds):
    found = rhythm(noise(seconds))

    assert found is None or found.confidence < 0.1


def test_confidence_lies_between_nought_and_one_and_falls_with_noise():
    clean, noisy = rhythm(clicks(120)), rhythm(clicks(120) + 5 * noise(20))

    assert 0 <= noisy.confidence < clean.confidence <= 1


def test_a_song_that_speeds_up_is_marked_as_variable(tmp_path):
    song = np.concatenate([clicks(120, 32), clicks(129, 32)])

    assert rhythm(song).variable
    assert listened(tmp_path, song)["bpm"].notice == "annotation.variable_tempo"


def test_a_tempo_that_is_a_guess_is_marked(tmp_path):
    assert listened(tmp_path, 5 * noise(30) + clicks(120, 30))["bpm"].notice == "annotation.unsure_tempo"


def test_a_steady_song_is_not(tmp_path):
    assert not rhythm(clicks(120, 64)).variable
    assert listened(tmp_path, clicks(120, 64))["bpm"].notice is None


def test_a_steady_song_with_a_silent_middle_is_not():
    song = np.concatenate([clicks(120, 32), np.zeros(32 * RATE, np.float32), clicks(120, 32)])

    assert rhythm(song).bpm == pytest.approx(120, abs=0.1)
    assert not rhythm(song).variable


def test_a_steady_song_with_a_noisy_middle_is_not():
    song = np.concatenate([clicks(120, 60), noise(150), clicks(120, 60)])

    assert rhythm(song).bpm == pytest.approx(120, abs=0.1)
    assert not rhythm(song).variable


def test_the_annotator_takes_any_rate_and_rounds_to_a_tenth(tmp_path):
    guess = listened(tmp_path, resample(clicks(93), RATE, 48_000), 48_000)["bpm"]

    assert guess.value == 93.0
    assert guess.confidence == round(guess.confidence, 3)


def test_the_annotator_says_nothing_about_silence(tmp_path):
    assert listened(tmp_path, np.zeros(20 * RATE, np.float32)) == {}


def test_the_onset_curve_peaks_where_notes_begin():
    curve = curves(np.roll(clicks(60, 10), RATE // 2)).full
    peaks = np.flatnonzero((curve > 3) & (curve >= np.roll(curve, 1)) & (curve > np.roll(curve, -1)))

    assert len(peaks) == 10
    assert np.diff(peaks) * 220 / RATE == pytest.approx(1.0, abs=0.011)

import numpy as np
import pytest

from acetune.annotation.annotator import Setup, Song
from acetune.annotation.key import MAJOR_NAMES, MINOR_NAMES, KeyAnnotator, key, pitch_classes
from acetune.audio.files import write
from acetune.audio.signal import resample
from acetune.data.keys import parse_keyscale
from acetune.data.track import Track
from acetune.events import Job

RATE = 22_050
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}
KEYS = [f"{name} major" for name in MAJOR_NAMES] + [f"{name} minor" for name in MINOR_NAMES]


def listened(folder, audio, rate=RATE):
    """What the annotator says about a file with this sound."""
    write(folder / "song.wav", audio[:, None], rate)
    song = Song(Track(path="song.wav", seconds=len(audio) / rate), folder / "song.wav")
    with KeyAnnotator().opened(Setup(folder, folder), Job()) as listen:
        return listen(song)


def note(semitones, seconds, tuning=440.0):
    """A tone with five harmonics, in semitones above A3."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = tuning / 2 * 2 ** (semitones / 12)
    return sum(np.sin(2 * np.pi * n * pitch * time) / n for n in range(1, 6)) * np.exp(-time)


def progression(keyscale, chords=(0, 3, 4, 0), tuning=440.0):
    """Triads on degrees of a key, with the root an octave below, a second each."""
    names, mode = (MAJOR_NAMES if keyscale.endswith("major") else MINOR_NAMES), keyscale.split()[1]
    tonic = names.index(keyscale.split()[0]) + 3
    bars = []
    for root in chords:
        degrees = [divmod(root + third, 7) for third in (0, 2, 4)]
        pitches = [tonic % 12 - 12 + 12 * octave + SCALES[mode][step] for octave, step in degrees]
        bars.append(sum(note(pitch, 1.0, tuning) for pitch in [pitches[0] - 12, *pitches]))
    return (0.1 * np.concatenate(bars)).astype(np.float32)


@pytest.mark.parametrize("keyscale", KEYS)
def test_a_cadence_is_heard_in_its_key(keyscale):
    assert key(progression(keyscale)).keyscale == keyscale


@pytest.mark.parametrize("tuning", [430.0, 432.0, 446.0, 452.0])
def test_an_instrument_tuned_differently_is_heard_in_the_same_key(tuning):
    assert key(progression("E minor", tuning=tuning)).keyscale == "E minor"


def test_loudness_does_not_matter():
    loud, soft = key(progression("Ab major")), key(np.float32(0.02) * progression("Ab major"))

    assert soft.keyscale == loud.keyscale
    assert soft.confidence == pytest.approx(loud.confidence, abs=1e-4)


def test_a_faint_chord_of_another_key_before_the_music_does_not_matter():
    faint = np.float32(0.01) * progression("D major", chords=(0, 4, 0, 4, 0, 4, 0, 4))

    assert key(np.concatenate([faint, progression("Db major")])).keyscale == "Db major"


@pytest.mark.parametrize("keyscale", KEYS)
def test_every_key_that_is_emitted_is_in_the_models_spelling(keyscale):
    assert parse_keyscale(keyscale) == keyscale


@pytest.mark.parametrize(
    "audio",
    [
        np.zeros(4 * RATE, np.float32),
        np.zeros(0, np.float32),
        1e-4 * progression("C major"),
        progression("C major")[:4000],
    ],
    ids=["silence", "nothing", "inaudible", "too short"],
)
def test_what_cannot_be_heard_has_no_key(audio):
    assert key(audio) is None


def test_what_has_no_pitch_between_100_and_2000_hertz_has_no_key():
    hum = np.sin(2 * np.pi * 8000 * np.arange(4 * RATE) / RATE).astype(np.float32)

    assert key(hum) is None


def test_noise_has_a_key_of_little_confidence():
    found = key(0.1 * np.random.default_rng(0).standard_normal(20 * RATE).astype(np.float32))

    assert found.confidence < 0.1 < key(progression("G major")).confidence


def test_pitch_classes_start_at_c():
    assert np.argmax(pitch_classes(note(3, 2.0).astype(np.float32))) == 0


def test_the_annotator_takes_any_rate(tmp_path):
    guess = listened(tmp_path, resample(progression("F# minor"), RATE, 48_000), 48_000)["keyscale"]

    assert guess.value == "F# minor"
    assert 0 < guess.confidence < 1


def test_the_annotator_says_nothing_about_silence(tmp_path):
    assert listened(tmp_path, np.zeros(4 * RATE, np.float32)) == {}


def test_a_key_that_is_a_guess_is_marked(tmp_path):
    one_tone = np.sin(2 * np.pi * 220 * np.arange(10 * RATE) / RATE).astype(np.float32)

    assert listened(tmp_path, one_tone)["keyscale"].notice == "annotation.unsure_key"


def test_a_clear_key_is_not(tmp_path):
    assert listened(tmp_path, progression("C major"))["keyscale"].notice is None

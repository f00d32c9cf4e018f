import numpy as np
import pytest

from acetune.annotation.annotator import Setup, Song
from acetune.annotation.levels import METRES, Hypothesis
from acetune.annotation.meter import MeterAnnotator, meter
from acetune.annotation.tempo import Rhythm, rhythm
from acetune.audio.files import write
from acetune.data.track import Mark, Source, Track
from acetune.events import Job

RATE = 22_050


def bars(bpm, beats, parts=1, seconds=30.0):
    """A band of three: bass on the first of the bar, a chord on each beat, a click on each part of a beat."""
    audio = np.zeros(round(seconds * RATE), np.float32)
    time = np.arange(RATE // 5) / RATE
    bass = 0.5 * np.sin(2 * np.pi * 60 * time) * np.exp(-time * 8)
    soft = np.minimum(time / 0.02, 1) * np.exp(-time * 12)
    chord = 0.1 * sum(np.sin(2 * np.pi * hertz * time) for hertz in (330, 415, 494)) * soft
    click = 0.05 * np.sin(2 * np.pi * 5000 * time) * np.exp(-time * 90)
    for part in range(int(seconds * bpm / 60 * parts) - parts):
        at = round(part / parts * 60 / bpm * RATE)
        sound = click + (chord if part % parts == 0 else 0) + (bass if part % (beats * parts) == 0 else 0)
        audio[at : at + len(time)] += sound.astype(np.float32)
    return audio


def listened(folder, audio, **known):
    """What the annotator says about a file with this sound, of which this is known."""
    write(folder / "song.wav", audio[:, None], RATE)
    song = Song(Track(path="song.wav", seconds=len(audio) / RATE, **known), folder / "song.wav")
    with MeterAnnotator().opened(Setup(folder, folder), Job()) as listen:
        return listen(song)


@pytest.mark.parametrize("bpm", [70, 95, 120, 150])
def test_bars_of_three_are_told_from_bars_of_four(bpm):
    assert rhythm(bars(bpm, 3, 2)).timesignature == "3"
    assert rhythm(bars(bpm, 4, 2)).timesignature == "4"


@pytest.mark.parametrize("bpm", [60, 80, 100])
def test_beats_of_three_parts_are_heard_as_six_eight(bpm):
    found = rhythm(bars(bpm, 2, 3))

    assert (found.timesignature, round(found.bpm)) == ("6", bpm)


def test_bars_of_two_are_heard_as_bars_of_four():
    assert rhythm(bars(110, 2, 2)).timesignature == "4"


def test_two_is_never_said():
    assert set(METRES) == {"3", "4", "6"}


def test_the_annotator_says_the_metre_and_how_sure_it_is(tmp_path):
    guess = listened(tmp_path, bars(120, 3, 2))["timesignature"]

    assert guess.value == "3"
    assert 0.5 < guess.confidence <= 1
    assert guess.confidence == round(guess.confidence, 3)


@pytest.mark.parametrize("audio", [np.zeros(9 * RATE, np.float32), bars(120, 3)[: 2 * RATE]], ids=["silence", "short"])
def test_what_has_no_beat_has_no_metre(tmp_path, audio):
    assert listened(tmp_path, audio) == {}


CONSIDERED = (Hypothesis(60, "6", 3.0), Hypothesis(60, "4", 1.0), Hypothesis(120, "4", 2.0), Hypothesis(120, "3", 2.5))
HEARD = Rhythm(60, "6", 0.5, False, CONSIDERED)


@pytest.mark.parametrize(("bpm", "timesignature"), [(None, "6"), (60.5, "6"), (118, "3"), (120, "3"), (90, "6")])
def test_the_metre_is_the_likeliest_at_the_known_tempo(bpm, timesignature):
    assert meter(HEARD, bpm)[0] == timesignature


def test_its_confidence_is_its_share_among_the_metres_of_that_tempo():
    assert meter(HEARD)[1] == pytest.approx(1 / (1 + np.exp(-2)))


@pytest.mark.parametrize(("source", "timesignature"), [(Source.USER, "3"), (Source.FILE, "3"), (Source.SIGNAL, "6")])
def test_a_tempo_of_a_person_or_a_file_is_taken_as_the_beat(tmp_path, source, timesignature):
    waltz_or_six = bars(60, 2, 3)
    known = {"bpm": 180.0, "provenance": {"bpm": Mark(source)}}

    assert listened(tmp_path, waltz_or_six, **known)["timesignature"].value == timesignature

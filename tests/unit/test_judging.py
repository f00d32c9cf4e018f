import numpy as np
import pytest

from acetune.annotation import zeroshot
from acetune.annotation.judging import describe, questions
from acetune.annotation.labels import Dimension, Label

SCALE = 20.0
PLACES = np.eye(10, dtype=np.float32)
WORDS = ("pop", "rock", "jazz", "nobody", "somebody", "low", "high", "mean")


def read(sentences):
    """Each sentence lies where its word lies."""
    return np.stack([PLACES[WORDS.index(sentence.split()[0])] for sentence in sentences])


def near(**shares):
    """A window that lies near words by these cosines."""
    vector = sum(np.float32(share) * PLACES[WORDS.index(word)] for word, share in shares.items())
    rest = np.float32(np.sqrt(max(0.0, 1 - float(vector @ vector))))
    return vector + rest * PLACES[-1]


def dimension(*words, top=1, windows="all", gate=(), levels=None):
    labels = tuple(Label(word, word, level) for word, level in zip(words, levels or [None] * len(words), strict=True))
    return Dimension("genre", top, windows, ("{} music", "{} song"), labels, gate)


def heard(asked, *windows, songs=(), **known):
    """The tags of a song with these windows."""
    found = describe(questions([asked], read, songs), np.stack(windows), SCALE, **known)
    return [tag.text for tag in found.tags.get("genre", ())]


GATED = dimension("pop", "rock", gate=(("instrumental", ("nobody sings",)), ("vocals", ("somebody sings",))))


@pytest.mark.parametrize("word", ["pop", "rock", "jazz"])
def test_the_label_that_a_song_is_near_to_wins(word):
    assert heard(dimension("pop", "rock", "jazz"), near(**{word: 0.5})) == [word]


def test_the_likeliest_come_first_and_no_more_than_are_asked_for():
    window = near(pop=0.48, rock=0.4, jazz=0.5)

    assert heard(dimension("pop", "rock", "jazz", "low", "high", top=2), window) == ["jazz", "pop"]


def test_a_song_that_is_as_near_to_all_labels_gets_none():
    assert heard(dimension("pop", "rock", "jazz"), near(pop=0.3, rock=0.31, jazz=0.3)) == []


def test_a_label_needs_a_lead_however_the_model_exaggerates():
    nearness = np.array([0.30, 0.32, 0.30])

    assert zeroshot.choose(nearness, 1000.0, 1) == ()


def test_a_label_needs_to_be_likelier_than_chance_however_far_it_leads():
    assert zeroshot.choose(np.array([0.30, 0.50, 0.30]), 0.1, 1) == ()


def test_confidence_is_the_share_among_the_labels():
    (choice,) = zeroshot.choose(np.array([0.0, 0.1, 0.0]), SCALE, 1)

    assert choice.place == 1
    assert choice.confidence == pytest.approx(np.exp(2) / (np.exp(2) + 2))


def test_what_is_heard_in_three_windows_only_counts_where_the_best_windows_speak():
    windows = [near(rock=0.5)] * 5 + [near(jazz=0.6)] * 3

    assert heard(dimension("pop", "rock", "jazz", windows="all"), *windows) == ["rock"]
    assert heard(dimension("pop", "rock", "jazz", windows="best"), *windows) == ["jazz"]


def test_sentences_that_say_the_same_are_one_vector():
    vector = zeroshot.joined(np.stack([PLACES[0], PLACES[1]]))

    assert np.linalg.norm(vector) == pytest.approx(1)
    assert vector[:2] == pytest.approx([2**-0.5] * 2)


def test_a_label_that_fits_every_song_has_to_beat_that():
    songs = [np.stack([near(pop=0.5, rock=0.1, jazz=0.1)])] * 3
    window = near(pop=0.52, rock=0.3, jazz=0.1)

    assert heard(dimension("pop", "rock", "jazz"), window) == ["pop"]
    assert heard(dimension("pop", "rock", "jazz"), window, songs=songs) == ["rock"]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (near(somebody=0.5, rock=0.5), ["rock"]),
        (near(nobody=0.5, rock=0.5), ["instrumental"]),
        (near(somebody=0.3, nobody=0.3, rock=0.5), []),
        (near(somebody=0.5), ["vocals"]),
    ],
    ids=["a voice", "no voice", "not clear", "a voice of no known kind"],
)
def test_labels_count_where_the_gate_is_open(window, expected):
    assert heard(GATED, window) == expected


@pytest.mark.parametrize(
    ("sings", "window", "expected"),
    [
        (True, near(nobody=0.8, rock=0.5), ["rock"]),
        (True, near(nobody=0.8), ["vocals"]),
        (False, near(somebody=0.8, rock=0.5), ["instrumental"]),
    ],
)
def test_what_is_known_of_a_voice_decides_whatever_is_heard(sings, window, expected):
    assert heard(GATED, window, sings=sings) == expected


def test_a_voice_that_pauses_is_a_voice():
    windows = [near(nobody=0.5)] * 5 + [near(somebody=0.5, pop=0.3)] * 3

    assert heard(GATED, *windows) == ["pop"]


def test_how_likely_a_voice_is_does_not_depend_on_what_was_known():
    asked, window = questions([GATED], read), np.stack([near(nobody=0.5)])
    voices = {describe(asked, window, SCALE, sings=sings).voice for sings in (None, True, False)}

    assert len(voices) == 1
    assert voices.pop() < 0.01


def test_lists_without_a_gate_do_not_ask_for_a_voice():
    assert describe(questions([dimension("pop", "rock")], read), np.stack([near(pop=0.5)]), SCALE).voice is None


LEVELS = dimension("low", "mean", "high", levels=[0.0, 0.5, 1.0])


@pytest.mark.parametrize(("level", "expected"), [(0.0, ["low"]), (0.5, ["mean"]), (0.95, ["high"])])
def test_what_was_measured_decides_where_the_model_hears_no_difference(level, expected):
    assert heard(LEVELS, near(low=0.3, mean=0.3, high=0.3), level=level) == expected


def test_what_the_model_hears_clearly_outweighs_a_measure_nearby():
    assert heard(LEVELS, near(high=0.5), level=0.6) == ["high"]


def test_without_a_measure_the_model_decides_alone():
    assert heard(LEVELS, near(low=0.5), level=None) == ["low"]


def test_a_label_without_a_level_is_judged_by_the_model():
    asked = dimension("low", "high", "pop", levels=[0.0, 1.0, None])

    assert heard(asked, near(pop=0.6), level=0.5) == ["pop"]
    assert heard(asked, near(low=0.3), level=0.0) == ["low"]

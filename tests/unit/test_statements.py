"""What captions say without doubt about tempo, key and voices; what only looks like it is not taken."""

from __future__ import annotations

import pytest

from acetune.data.keys import are_close, is_same
from acetune.data.statements import keys_in, tempi_in, voices_in

TEMPI = {
    "dreamy, 120 BPM, pads": [(120, 120)],
    "A slow 72.5bpm ballad": [(72.5, 72.5)],
    "around 118-122 bpm": [(118, 122)],
    "118 to 122 BPM, techno": [(118, 122)],
    "bpm: 95": [(95, 95)],
    "tempo 140, dark": [(140, 140)],
    "a tempo of 90, in 4/4": [(90, 90)],
    "a 174-bpm roller": [(174, 174)],
    "95 beats per minute": [(95, 95)],
    "温暖，每分钟120拍": [(120, 120)],
    "90 bpm verse, 180 bpm chorus": [(90, 90), (180, 180)],
    "1990s rock, 808 drums, 4/4": [],
    "fast tempo, 24 bit": [],
    "808 bass and 303": [],
    "": [],
}
KEYS = {
    "dreamy, A minor, pads": ["A minor"],
    "a ballad in C major with strings": ["C major"],
    "in the key of F# minor": ["F# minor"],
    "key: Bb major": ["Bb major"],
    "E-flat major": ["Eb major"],
    "piano, Am, slow": ["A minor"],
    "F♯ minor.": ["F# minor"],
    "钢琴，降B大调，慢": ["Bb major"],
    "A小调": ["A minor"],
    "A major hit with a minor detail": [],
    "a minor setback": [],
    "Grade A, B movie, C": [],
    "Am I dreaming": [],
    "in A": [],
    "": [],
}
VOICES = {
    "soft female vocals over pads": True,
    "a male singer with a raspy voice": True,
    "she sings in French": True,
    "女声，钢琴": True,
    "no vocals": False,
    "a track without any vocals": False,
    "non-vocal": False,
    "ambient, instrumental, slow": False,
    "Instrumental music with strings": None,
    "instrumental track, dark": False,
    "纯音乐，钢琴": False,
    "a long instrumental break": None,
    "vocal chops, house": None,
    "voice leading in fourths": None,
    "": None,
}


@pytest.mark.parametrize("text", TEMPI)
def test_tempi_are_read_from_words(text):
    assert list(tempi_in(text)) == TEMPI[text]


@pytest.mark.parametrize("text", KEYS)
def test_keys_are_read_from_words(text):
    assert list(keys_in(text)) == KEYS[text]


@pytest.mark.parametrize("text", VOICES)
def test_voices_are_read_from_words(text):
    assert voices_in(text) is VOICES[text]


@pytest.mark.parametrize(
    ("one", "other", "same", "close"),
    [
        ("C major", "C major", True, True),
        ("D# minor", "Eb minor", True, True),
        ("A# major", "Bb major", True, True),
        ("B major", "Cb major", True, True),
        ("C major", "A minor", False, True),
        ("C major", "C minor", False, True),
        ("C major", "G major", False, True),
        ("C major", "F major", False, True),
        ("A minor", "E minor", False, True),
        ("C major", "F# major", False, False),
        ("C major", "D major", False, False),
        ("C major", "F minor", False, False),
    ],
)
def test_keys_are_compared_by_their_sound(one, other, same, close):
    assert (is_same(one, other), are_close(one, other)) == (same, close)
    assert (is_same(other, one), are_close(other, one)) == (same, close)

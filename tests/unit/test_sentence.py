"""What a sentence says in numbers goes into fields, and out of the caption."""

from __future__ import annotations

import pytest

from acetune.generation.request import Request
from acetune.generation.sentence import understood

LIKE = Request(caption="", lyrics="[verse]\nla", language="de")


@pytest.mark.parametrize(
    ("sentence", "caption", "fields"),
    [
        ("warm lo-fi piano at 82 bpm", "warm lo-fi piano", {"bpm": 82.0}),
        ("rock in F# minor, loud", "rock, loud", {"keyscale": "F# minor"}),
        ("a waltz in 3/4 time", "a waltz", {"timesignature": "3/4"}),
        ("techno, 90 seconds", "techno", {"seconds": 90.0}),
        ("a 2 minute jazz ballad", "a jazz ballad", {"seconds": 120.0}),
        ("ambient, 1:30 long", "ambient", {"seconds": 90.0}),
        ("chanson sung in French", "chanson", {"language": "fr"}),
        ("80s synthwave, 100 bpm, gated drums", "80s synthwave, gated drums", {"bpm": 100.0, "seconds": None}),
        ("slow strings, instrumental", "slow strings, instrumental", {"lyrics": None, "language": None}),
        ("轻快的流行，120 bpm，C大调，日语，30秒", "轻快的流行",
         {"bpm": 120.0, "keyscale": "C major", "seconds": 30.0, "language": "ja"}),
        ("a pop song with a major drop at the end", "a pop song with a major drop at the end", {"keyscale": None}),
        ("a ballad in e minor", "a ballad", {"keyscale": "E minor"}),
        ("30 second intro, then drums", "30 second intro, then drums", {"seconds": None}),
        ("odd groove in 3/8", "odd groove in 3/8", {"timesignature": None}),
        ("a band in A great mood", "a band in A great mood", {}),
        ("nothing to measure here", "nothing to measure here", {}),
    ],
)  # fmt: skip
def test_a_sentence_says_what_it_says(sentence: str, caption: str, fields: dict[str, object]) -> None:
    found = understood(sentence, LIKE)

    assert found.caption == caption
    assert {name: getattr(found, name) for name in fields} == fields


@pytest.mark.parametrize("name", ["bpm", "keyscale", "timesignature", "seconds"])
def test_what_a_sentence_does_not_say_stays_unknown(name: str) -> None:
    assert getattr(understood("dreamy synth pads with a choir", LIKE), name) is None

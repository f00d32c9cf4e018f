"""Lists of songs survive the way through text and through JSON, whatever is in them."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from acetune.data.lists import Lists, parse_list

_TEXT = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(",\"[]\n'\\ "), max_size=12).map(str.strip)
_TEXTS = st.lists(st.none() | _TEXT, min_size=1, max_size=5).map(tuple)


@given(_TEXTS)
def test_texts_survive_the_form_with_commas(captions: tuple[str | None, ...]) -> None:
    lists = Lists(captions, captions, captions, (None,) * len(captions), captions, captions)  # type: ignore[arg-type]
    told = tuple(text or "" for text in captions)

    assert parse_list("captions", lists.as_text()["captions"], len(captions)) == told
    assert parse_list("captions", json.dumps(lists.as_json()["captions"]), len(captions)) == told


@given(st.lists(st.none() | st.floats(1, 400), min_size=1, max_size=5).map(tuple))
def test_tempos_survive_the_form_with_commas(tempos: tuple[float | None, ...]) -> None:
    lists = Lists((), (), (), tempos, (), ())
    read = parse_list("bpm_list", lists.as_text()["bpm_list"], len(tempos))

    assert [float(text) or None for text in read] == [None if bpm is None else float(f"{bpm:.15g}") for bpm in tempos]

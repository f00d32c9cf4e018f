"""The laws of changing data sets: what is taken back was never there, and what nobody asked about stays."""

import json
import tempfile
import unicodedata
from pathlib import Path

from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_manifest_laws import data_sets, marks, tracks

from acetune.data.changes import cells_of, track_of
from acetune.data.editing import edit
from acetune.data.history import known
from acetune.data.lyric_text import normalised
from acetune.data.manifest import Manifest, append_results, load, save
from acetune.data.normalising import lyrics
from acetune.data.operations import operation_of
from acetune.data.settings import DatasetSettings
from acetune.data.track import DESCRIPTION, Source
from acetune.data.triggers import trigger
from acetune.data.undoing import undo

words = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=8).filter(
    lambda text: text.strip().lower() not in ("", "na", "n/a", "none", "null")
)
texts = st.sampled_from(["caption", "genre", "lyrics", "tags", "trigger", "owner", "recaption"])
operations = st.one_of(
    st.tuples(st.just("set"), st.sampled_from(["caption", "genre", "lyrics", "trigger", "owner", "licence"]), words),
    st.sampled_from(
        [
            ("set", "key", "Am"),
            ("set", "bpm", "91.5"),
            ("set", "language", "instrumental"),
            ("set", "instrumental", "no"),
            ("set", "isrc", "DEA122600001"),
            ("exclude",),
            ("include",),
            ("split", "validation"),
            ("split", "none"),
            ("repeat", "7"),
            ("tag", "rock,live"),
            ("untag", "rock"),
            ("regex", "lyrics", ".", "x"),
        ]
    ),
    st.tuples(st.sampled_from(["prepend", "append"]), texts, words),
    st.tuples(st.just("replace"), texts, words, words),
    st.tuples(st.just("clear"), st.sampled_from([*DESCRIPTION, "owner", "split", "repeats"])),
)
changes = st.lists(st.one_of(operations, st.just(("lyrics",)), st.just(("trigger",))), min_size=1, max_size=4)
lines = st.lists(
    st.sampled_from(
        ["la", "HEY", "don’t", "你好", "好き", "カナ", "사랑", "лето", "i", " ", "  ", ",", "，", "!", "！！", "...",
         "…", "。", "?!", "\n", "\n\n", "[Verse]", "[Chorus - loud]", "(x2)", "3:00", "«", "»", "“", "'", "~", "-",
         "♪", "ﬀ", "é", "ＡＢ"]
    ),
    max_size=14,
).map("".join)  # fmt: skip


def rows(folder):
    """Return the rows as they are in the file, whatever the order of their columns."""
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").split("\n") if line]


def change(folder, operation):
    """Make one change."""
    if operation == ("trigger",):
        trigger(folder, "zxband", "append")
    elif operation == ("lyrics",):
        lyrics(folder)
    else:
        edit(folder, *operation)


@given(data_sets, changes)
@settings(max_examples=30, deadline=None)
def test_edits_that_are_taken_back_were_never_there(data, asked):
    assume(data[0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(Manifest(folder, *data))
        states = [(load(folder), rows(folder))]
        for operation in asked:
            change(folder, operation)
            states.append((load(folder), rows(folder)))
        distinct = [state for before, state in zip([None, *states], states, strict=False) if state != before]
        for state in distinct[-2::-1]:
            undo(folder)

            assert (load(folder), rows(folder)) == state


@given(tracks, operations)
@settings(max_examples=60, deadline=None)
def test_an_edit_leaves_other_fields_and_unknown_columns_alone(track, operation):
    asked = operation_of(operation[0], operation[1:])(track)
    changed = {name for name, value in cells_of(asked).items() if cells_of(track).get(name) != value}
    linked = {"keyscale", "line_times", "instrumental", "language", "tags", "excluded", "split", "repeats"}

    assert asked.extra == track.extra
    assert changed <= {*operation[1:2], *linked}


@given(tracks)
@settings(max_examples=40, deadline=None)
def test_columns_are_the_row_and_back(track):
    assert track_of(cells_of(track), "here") == track


@given(tracks, marks, st.booleans())
@settings(max_examples=25, deadline=None)
def test_no_other_source_replaces_what_a_person_set(track, mark, overwrite):
    assume(mark.source is not Source.USER)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        save(Manifest(folder, (track,), DatasetSettings("songs")))
        edit(folder, "set", "caption", "mine")
        append_results(folder, track.path, {"caption": "other"}, {"caption": mark}, overwrite=overwrite)

        assert known(folder).tracks[0].caption == "mine"


@given(lines, st.sampled_from([None, "en", "tr", "zh", "ja"]))
@settings(max_examples=200, deadline=None)
def test_normalising_lyrics_twice_is_normalising_them_once(text, language):
    once = normalised(text, language)

    assert normalised(once, language) == once


@given(lines.filter(lambda text: "[" not in text and "(" not in text))
@settings(max_examples=200, deadline=None)
def test_normalising_lyrics_changes_no_word(text):
    assert letters(normalised(text)) == letters(text)


def letters(text):
    """Return the letters and digits of a text in one form."""
    return [letter for letter in unicodedata.normalize("NFKC", text).casefold() if letter.isalnum()]

"""What counts where several files speak of one song."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from acetune.data.columns import Row
from acetune.data.lrc import parse_lrc
from acetune.data.readings import ORDER, Conflict, Statement, merge, state


def says(kind: str, file: str = "", **values: object) -> Statement:
    return Statement(Path(file or kind), kind, kind, MappingProxyType(values))


def test_a_row_counts_before_files_beside_the_song_and_those_before_tables_and_tags() -> None:
    assert ORDER == ("row", "json", "named", "bare", "csv", "lrc", "tags")


@pytest.mark.parametrize("place", range(len(ORDER) - 1))
def test_the_first_kind_that_names_a_field_counts(place: int) -> None:
    statements = [says(kind, caption=f"of {kind}") for kind in reversed(ORDER[place:])]

    assert merge(statements).values == {"caption": f"of {ORDER[place]}"}


def test_every_file_adds_what_the_others_do_not_say() -> None:
    found = merge([says("tags", genre="pop"), says("json", caption="a"), says("csv", bpm=90.0)])

    assert found.values == {"caption": "a", "bpm": 90.0, "genre": "pop"}
    assert not found.conflicts


def test_where_files_do_not_agree_both_are_named() -> None:
    found = merge([says("csv", "list.csv", bpm=90.0), says("json", "a.json", bpm=120.0)])

    assert found.conflicts == (Conflict("bpm", "120.0", Path("a.json"), "90.0", Path("list.csv")),)


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("bpm", 120.0, 119.98),
        ("caption", "Slow jazz, piano", "slow  jazz piano"),
        ("lyrics", "[Verse]\nOne, two", "one two"),
        ("tags", ("slow", "jazz"), ("Jazz", "slow")),
        ("repeats", 3, 1),
        ("keyscale", "D# minor", "Eb minor"),
    ],
)
def test_what_means_the_same_is_no_conflict(field: str, one: object, other: object) -> None:
    assert not merge([says("json", **{field: one}), says("csv", **{field: other})]).conflicts


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [("keyscale", "A minor", "A major"), ("instrumental", True, False), ("lyrics", "[Verse]\none", "two")],
)
def test_what_means_something_else_is_a_conflict(field: str, one: object, other: object) -> None:
    assert merge([says("json", **{field: one}), says("csv", **{field: other})]).conflicts


def test_times_count_where_the_words_are_those_of_the_chosen_lyrics() -> None:
    timed = state(Row(fields={"lyrics": "[00:01]one\n[00:02]two"}), Path("a.lrc"), "lrc", "lrc")
    found = merge([says("named", lyrics="[Verse]\nOne,\nTwo!"), timed])

    assert found.values == {"lyrics": "[Verse]\nOne,\nTwo!", "line_times": (1.0, 2.0)}
    assert not found.conflicts


def test_times_of_other_words_do_not_count() -> None:
    timed = state(Row(fields={"lyrics": "[00:01]one\n[00:02]two"}), Path("a.lrc"), "lrc", "lrc")
    found = merge([says("named", lyrics="one\nthree"), timed])

    assert "line_times" not in found.values
    assert [conflict.field for conflict in found.conflicts] == ["lyrics"]


def test_times_that_a_row_gives_hold_for_its_own_lyrics_only() -> None:
    row = says("csv", lyrics="one", line_times=(1.0,))

    assert merge([row]).values["line_times"] == (1.0,)
    assert "line_times" not in merge([row, says("json", lyrics="two")]).values


def test_stamps_in_any_lyrics_are_times_and_no_words() -> None:
    said = state(Row(fields={"lyrics": "[00:01]one"}), Path("a.json"), "json", "json")

    assert (said.values["lyrics"], said.timed) == ("one", parse_lrc("[00:01]one"))
    assert merge([said]).values["line_times"] == (1.0,)


def test_unknown_columns_of_all_files_are_kept_the_most_trusted_first() -> None:
    one = Statement(Path("a"), "json", "json", extra=MappingProxyType({"mood": "sad"}))
    other = Statement(Path("b"), "csv", "csv", extra=MappingProxyType({"mood": "glad", "Artist": "me"}))

    assert merge([other, one]).extra == {"mood": "sad", "Artist": "me"}

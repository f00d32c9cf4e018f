"""The law of sources: a lower source never replaces a higher one, whatever the order in which they speak."""

from hypothesis import given
from hypothesis import strategies as st

from acetune.data.track import Mark, Source, Track

marks = st.builds(Mark, st.sampled_from(Source), st.none() | st.floats(0, 1))
sayings = st.lists(st.tuples(st.sampled_from([60.0, 90.0, 120.0]), marks, st.booleans()), max_size=8)
SILENT = Track(path="a.wav", seconds=60)


def told(track, sayings):
    for value, mark, overwrite in sayings:
        track = track.with_value("bpm", value, mark, overwrite=overwrite)
    return track


@given(sayings)
def test_the_highest_source_that_spoke_is_heard(sayings):
    track = told(SILENT, sayings)
    highest = max((mark.source for _, mark, _ in sayings), default=None)
    said = [value for value, mark, _ in sayings if mark.source == highest]

    assert track.source_of("bpm") == highest
    assert track.bpm is None if highest is None else track.bpm in said


@given(sayings, st.floats(30, 300), marks, st.booleans())
def test_a_lower_source_never_replaces_a_higher_one(sayings, value, mark, overwrite):
    before = told(SILENT, sayings)
    after = before.with_value("bpm", value, mark, overwrite=overwrite)

    assert after == before or mark.source >= (before.source_of("bpm") or 0)


@given(sayings, st.floats(30, 300), marks)
def test_an_equal_source_replaces_only_when_it_was_asked_to(sayings, value, mark):
    before = told(SILENT, [*sayings, (60.0, mark, False)])
    kept = before.with_value("bpm", value, Mark(before.source_of("bpm")))
    replaced = before.with_value("bpm", value, Mark(before.source_of("bpm")), overwrite=True)

    assert kept == before
    assert (replaced.bpm, replaced.provenance["bpm"]) == (value, Mark(before.source_of("bpm")))


@given(sayings, marks, st.booleans())
def test_saying_nothing_changes_nothing(sayings, mark, overwrite):
    track = told(SILENT, sayings)

    assert track.with_value("bpm", None, mark, overwrite=overwrite) is track


@given(marks.filter(lambda mark: mark.source < Source.USER), st.booleans())
def test_a_value_without_a_mark_was_written_by_a_person(mark, overwrite):
    track = Track(path="a.wav", seconds=60, bpm=100.0)

    assert track.source_of("bpm") == Source.USER
    assert track.with_value("bpm", 120.0, mark, overwrite=overwrite).bpm == 100.0


@given(sayings, st.floats(30, 300), marks)
def test_the_other_fields_and_the_track_itself_stay(sayings, value, mark):
    before = told(SILENT, sayings)
    kept = (before.bpm, dict(before.provenance))
    after = before.with_value("keyscale", "C major", mark)

    assert (before.bpm, dict(before.provenance)) == kept
    assert (after.bpm, after.keyscale) == (before.bpm, "C major")

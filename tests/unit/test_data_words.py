"""Triggers, normalised lyrics, rights and figures of a data set."""

from dataclasses import replace

import pytest

from acetune.data.figures import Spread, stats
from acetune.data.manifest import Manifest, load, save
from acetune.data.normalising import lyrics
from acetune.data.rights import is_refused, read_consent, read_isrc
from acetune.data.settings import DatasetSettings, write_settings
from acetune.data.track import Mark, Source, Track
from acetune.data.triggers import trigger
from acetune.data.undoing import undo
from acetune.errors import DataError, SettingError
from acetune.events import Job, Noticed

FILE, SIGNAL = Mark(Source.FILE), Mark(Source.SIGNAL)


def data_set(folder, *tracks):
    save(Manifest(folder, tracks, DatasetSettings("songs")))
    return folder


def song(name, **values):
    return Track(path=f"{name}.mp3", seconds=90, audio_sha256=name * 64, **values)


def test_a_trigger_is_a_setting_of_the_data_set_and_can_be_taken_back(tmp_path):
    data_set(tmp_path, song("a"))
    trigger(tmp_path, " zxband ", "append")
    written = load(tmp_path).settings
    undo(tmp_path)

    assert (written.trigger, written.trigger_position) == ("zxband", "append")
    assert load(tmp_path).settings == DatasetSettings("songs")


def test_a_trigger_can_be_cleared(tmp_path):
    data_set(tmp_path, song("a"))
    trigger(tmp_path, "zxband")

    assert trigger(tmp_path, None).trigger is None


def test_a_comment_in_the_settings_survives_another_trigger(tmp_path):
    data_set(tmp_path, song("a"))
    file = tmp_path / ".acetune/dataset.yaml"
    file.write_text("# mine\nname: songs\ntrigger: old  # why\n# and mine\n")
    trigger(tmp_path, "zxband")

    assert file.read_text().startswith("# mine\nname: songs\ntrigger: zxband\n# and mine\n")
    assert load(tmp_path).settings.trigger == "zxband"


@pytest.mark.parametrize("text", ["{name: songs, trigger: old}\n", 'trigger: "old\n  one"\n', "trigger: >\n  old\n"])
def test_settings_in_another_style_are_written_anew(tmp_path, text):
    data_set(tmp_path, song("a"))
    (tmp_path / ".acetune/dataset.yaml").write_text(text)
    write_settings(tmp_path, DatasetSettings(tmp_path.name, "zxband"))

    assert load(tmp_path).settings == DatasetSettings(tmp_path.name, "zxband")


@pytest.mark.parametrize("word", ["", "  ", "a\nb"])
def test_what_is_no_word_cannot_be_a_trigger(tmp_path, word):
    with pytest.raises(SettingError, match="cannot be a trigger"):
        trigger(data_set(tmp_path, song("a")), word)


def test_a_trigger_has_three_places(tmp_path):
    with pytest.raises(SettingError, match="middle"):
        trigger(data_set(tmp_path, song("a")), "zx", "middle")


@pytest.mark.parametrize(("word", "told"), [("piano", 1), ("PIANO", 1), ("pian", 0), ("zxband", 0), ("lo-fi", 1)])
def test_an_ordinary_word_as_a_trigger_is_told(tmp_path, word, told):
    data_set(tmp_path, song("a", caption="slow piano, soft"), song("b", tags=("Lo-Fi",)))
    events = []
    trigger(tmp_path, word, job=Job(events.append))

    assert [event.code for event in events if isinstance(event, Noticed)] == ["edit.ordinary_trigger"] * told


def test_lyrics_are_normalised_and_belong_to_the_person_who_asked(tmp_path):
    data_set(tmp_path, song("a").with_value("lyrics", "verse 1:\nla", FILE), song("b", lyrics="[Verse 1]\nLa"))
    done = lyrics(tmp_path)
    track = load(tmp_path).tracks[0]

    assert [change.path for change in done.changes] == ["a.mp3"]
    assert (track.lyrics, track.source_of("lyrics")) == ("[Verse 1]\nLa", Source.USER)


@pytest.mark.parametrize(
    "values",
    [
        {"language": "instrumental"},
        {"lyrics": "[Instrumental]"},
        {"tags": ("Instrumental", "slow")},
    ],
    ids=str,
)
def test_what_says_instrumental_becomes_the_flag(tmp_path, values):
    data_set(tmp_path, song("a", **values))
    lyrics(tmp_path)
    track = load(tmp_path).tracks[0]

    assert track.instrumental is True
    assert (track.language, track.lyrics, track.tags) == (None, None, values.get("tags"))


@pytest.mark.parametrize("values", [{"lyrics": "La"}, {"instrumental": False}], ids=str)
def test_a_tag_does_not_overrule_lyrics_or_a_flag(tmp_path, values):
    data_set(tmp_path, song("a", tags=("instrumental",), **values))

    assert lyrics(tmp_path).changes == ()


def test_normalising_twice_and_only_some_tracks(tmp_path):
    data_set(tmp_path, song("a", lyrics="la"), song("b", lyrics="lo"))
    first, second = lyrics(tmp_path, tracks=["a*"]), lyrics(tmp_path, tracks=["a*"])

    assert ([track.lyrics for track in load(tmp_path).tracks], second.changes) == (["La", "lo"], ())
    with pytest.raises(DataError, match="changed since"):
        lyrics(tmp_path, expected={"a.mp3": "0", **first.versions, "b.mp3": "0"})


def test_a_data_set_in_numbers(tmp_path):
    data_set(
        tmp_path,
        song("a", caption="x", lyrics="la", language="en", bpm=90.0, repeats=3, owner="me", licence="CC0"),
        replace(song("b", tags=("x",), instrumental=True), split="validation", consent="no").with_value(
            "bpm", 120.0, SIGNAL
        ),
        song("c", excluded=True, caption="y", bpm=200.0),
    )
    found = stats(tmp_path)

    assert (found.tracks, found.excluded, found.minutes, found.passes) == (2, 1, 3.0, 4)
    assert (found.captioned, found.with_lyrics, found.instrumental) == (2, 1, 1)
    assert found.languages == {"en": 1}
    assert found.keys == {"": 2}
    assert found.splits == {"": 1, "validation": 1}
    assert (found.bpm, found.seconds) == (Spread(2, 90.0, 105.0, 120.0), Spread(2, 90.0, 90.0, 90.0))
    assert found.sources["bpm"] == {"signal": 1, "user": 1}
    assert found.rights == {"owner": 1, "isrc": 0, "licence": 1, "consent": 1}
    assert (found.licences, found.refused) == ({"": 1, "CC0": 1}, 1)


def test_of_an_empty_data_set_nothing_is_known(tmp_path):
    found = stats(data_set(tmp_path))

    assert (found.tracks, found.bpm, found.languages) == (0, Spread(0), {})


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("yes", "recording, composition, voice"),
        ("Voice, recording", "recording, voice"),
        ("No", "no"),
        ("denied", "no"),
    ],
)
def test_consent_is_read_as_people_write_it(typed, read):
    assert read_consent(typed) == read


@pytest.mark.parametrize("typed", ["", "perhaps", "yes, no", "voice, drums"])
def test_other_consent_is_not_guessed(typed):
    with pytest.raises(ValueError, match="no consent"):
        read_consent(typed)


@pytest.mark.parametrize("typed", ["DE-A12-26-00001", "ISRC dea1226 00001"])
def test_an_isrc_is_read_with_and_without_dashes(typed):
    assert read_isrc(typed) == "DEA122600001"


@pytest.mark.parametrize(("consent", "refused"), [(None, False), ("no", True), ("Refused", True), ("voice", False)])
def test_only_a_no_is_a_refusal(consent, refused):
    assert is_refused(song("a", consent=consent)) is refused

import pytest

from acetune.annotation.labels import read_labels
from acetune.annotation.prompt import SLOTS, TEMPLATE, V1_TEMPLATE, assemble, ordered, parts_of, read_template
from acetune.data.track import Track
from acetune.errors import DataError

SONG = {
    "genre": ("synthwave",), "vocal": ("female vocals",), "instruments": ("synthesizer", "drum machine", "bass guitar"),
    "mood": ("dark", "dreamy"), "timbre": ("warm",), "era": ("1980s",), "production": ("polished production",),
    "energy": ("high energy",), "tempo": ("120 BPM",), "key": ("A minor",),
}  # fmt: skip


def track(**values):
    return Track(path="song.wav", seconds=60.0, **values)


def test_the_usual_prompt_has_the_dimensions_in_their_order():
    assert assemble(SONG) == (
        "synthwave, female vocals, synthesizer, drum machine, bass guitar, dark, dreamy, warm, 1980s, "
        "polished production, high energy"
    )


def test_the_prompt_for_v1_has_tempo_and_key_among_the_words():
    assert assemble(SONG, V1_TEMPLATE) == (
        "synthwave, female vocals, synthesizer and drum machine and bass guitar, dark and dreamy, 120 BPM, A minor, "
        "warm, 1980s, polished production, high energy"
    )


@pytest.mark.parametrize(
    ("parts", "template", "expected"),
    [
        ({}, TEMPLATE, ""),
        ({"genre": ("pop",)}, TEMPLATE, "pop"),
        ({"genre": ("pop",), "energy": ("high energy",)}, TEMPLATE, "pop, high energy"),
        ({"genre": ("pop", "Pop", " POP ")}, TEMPLATE, "pop"),
        ({"genre": ("Pop",), "others": ("pop", "ＰＯＰ", "live")}, TEMPLATE, "Pop, live"),
        ({"mood": ("sad, slow", "slow")}, TEMPLATE, "sad, slow"),
        ({"genre": ("Straße",), "others": ("STRASSE",)}, TEMPLATE, "Straße"),
        ({"genre": ("流行",), "mood": ("忧郁，梦幻",)}, "{genre}，{mood}", "流行，忧郁，梦幻"),
        ({"genre": ("流行",)}, "{genre}，{mood}", "流行"),
        ({"genre": ("流行", "摇滚"), "mood": ("欢快",)}, "{genre:和}，{mood}的音乐", "流行和摇滚，欢快的音乐"),
        ({"genre": ("ポップ",), "mood": ("明るい、静か",)}, "{genre}、{mood}", "ポップ、明るい、静か"),
        ({"genre": ("발라드",), "mood": ("슬픈", "잔잔한")}, "{genre}, {mood}", "발라드, 슬픈, 잔잔한"),
        ({"genre": ("بوب",), "mood": ("حزين", "هادئ")}, "{genre}، {mood}", "بوب، حزين، هادئ"),
        ({"genre": ("cumbia",), "instruments": ("guitarra", "acordeón")}, "{genre}; con {instruments: y }",
         "cumbia; con guitarra y acordeón"),
        ({"genre": ("pop",)}, "{genre}, with {instruments: and }, live", "pop, live"),
        ({"genre": ("pop",), "mood": ("sad",)}, "a {mood} {genre} song", "a sad pop song"),
        ({"genre": ("pop",)}, "a {mood} {genre} song", ""),
        ({"genre": ("pop",), "key": ("A minor",)}, "{genre} in {key}", "pop in A minor"),
        ({"genre": ("pop",)}, "{{{genre}}}, x", "{pop}, x"),
        ({"genre": ("pop",)}, "  {genre} ,, {mood},", "pop"),
    ],
)  # fmt: skip
def test_a_prompt_is_put_together(parts, template, expected):
    assert assemble(parts, template) == expected


@pytest.mark.parametrize(
    ("template", "code", "said"),
    [
        ("{genre", "bad_template", "'}'"),
        ("genre}", "bad_template", "'}'"),
        ("{gener}", "no_slot", "'genre'"),
        ("{}", "no_slot", "genre"),
        ("{genre!r}", "no_slot", "genre"),
        ("{genre.upper}", "no_slot", "genre.upper"),
        ("{0}", "no_slot", "0"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused(template, code, said):
    with pytest.raises(DataError) as error:
        assemble(SONG, template)

    assert error.value.code == f"tagging.{code}"
    assert said in error.value.message()


def test_tags_come_in_the_order_of_the_template():
    assert ordered(SONG, "{mood: and } at {tempo}, {genre}, {genre}") == ("dark", "dreamy", "120 BPM", "synthwave")


def test_tags_for_which_a_template_has_no_slot_are_left_out():
    assert ordered(SONG, "music") == ()


def test_tags_of_a_track_find_their_places_whatever_their_case():
    known = track(tags=("Dreamy", "live at home", "HARP", "female vocals", "House"), bpm=119.7, keyscale="A minor")
    parts = parts_of(known, read_labels())

    assert {name: values for name, values in parts.items() if values} == {
        "mood": ("Dreamy",), "others": ("live at home",), "instruments": ("HARP",), "vocal": ("female vocals",),
        "genre": ("House",), "tempo": ("120 BPM",), "key": ("A minor",),
    }  # fmt: skip


def test_nothing_that_a_person_wrote_is_lost_from_the_usual_prompt():
    written = track(tags=("my own word", "harp", "dreamy"), genre="mathcore")

    assert assemble(parts_of(written, read_labels())) == "mathcore, harp, dreamy, my own word"


def test_what_is_missing_is_missing_in_every_slot():
    parts = parts_of(track(), read_labels())

    assert set(parts) == {*SLOTS}
    assert not any(parts.values())


def test_an_instrumental_has_no_singer():
    assert parts_of(track(tags=("choir",), instrumental=True), read_labels())["vocal"] == ("instrumental",)


def test_the_template_of_the_workspace_is_used(tmp_path):
    (tmp_path / "prompt.txt").write_text("# mine\n\n {genre}，{mood}\n{energy}\n", encoding="utf-8")

    assert read_template(tmp_path) == "{genre}，{mood}"


@pytest.mark.parametrize("text", [None, "", "# {genre}\n"])
def test_without_a_template_of_ones_own_the_usual_one_is_used(tmp_path, text):
    if text is not None:
        (tmp_path / "prompt.txt").write_text(text, encoding="utf-8")

    assert read_template(tmp_path) == TEMPLATE


@pytest.mark.parametrize("data", [b"{gener}", b"{genre", b"\xff\xfe{"])
def test_a_bad_template_of_the_workspace_is_refused(tmp_path, data):
    (tmp_path / "prompt.txt").write_bytes(data)
    with pytest.raises(DataError) as error:
        read_template(tmp_path)

    assert error.value.code in ("tagging.bad_template", "tagging.no_slot")

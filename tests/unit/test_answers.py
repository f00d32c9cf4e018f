import pytest

from acetune.annotation.answers import (
    plain_prose,
    read_description,
    read_language,
    read_lyrics,
    read_transcript,
    whole_sentences,
)
from acetune.annotation.objects import LONGEST, read_object
from acetune.errors import DataError

OBJECTS = {
    "strict": ('{"a": 1}', {"a": 1}),
    "in a fence": ('```json\n{"a": [1, 2]}\n```', {"a": [1, 2]}),
    "between words": ('Sure! Here it is: {"a": "x"} Hope it {helps}.', {"a": "x"}),
    "behind a word in brackets": ('As {asked}: {"a": "x"}', {"a": "x"}),
    "after thoughts": ('<think>perhaps {"a": 0}</think>\n{"a": 1}', {"a": 1}),
    "nested": ('{"a": {"b": [{"c": 1}]}}', {"a": {"b": [{"c": 1}]}}),
    "a line end in a string": ('{"a": "one\ntwo"}', {"a": "one\ntwo"}),
    "escaped quotes and brackets": (r'{"a": "say \"hi\" }"}', {"a": 'say "hi" }'}),
    "commas too many": ('{"a": [1, 2,], "b": 3,}', {"a": [1, 2], "b": 3}),
    "a comment": ('{"a": {"b": 1}, // inner\n "c": 2}', {"a": {"b": 1}, "c": 2}),
    "an address is no comment": ('{"a": "https://x.example",\n"b": 1,}', {"a": "https://x.example", "b": 1}),
    "python": ("{'a': True, 'b': None, 'c': 'don\\'t'}", {"a": True, "b": None, "c": "don't"}),
    "curly quotes": ("{“a”: “x”}", {"a": "x"}),
    "keys without quotes": ('{a: 1, b: "x"}', {"a": 1, "b": "x"}),
    "cut in a string": ('{"a": "b", "c": "la la', {"a": "b", "c": "la la"}),
    "cut in a list": ('{"a": ["x", "y', {"a": ["x", "y"]}),
    "cut behind an inner object": ('{"a": {"b": 1}, "c": "la', {"a": {"b": 1}, "c": "la"}),
    "behind a bracket that stays open": ('and { then {"a": 1}', {"a": 1}),
    "cut in a key": ('{"a": 1, "b', {"a": 1}),
    "cut before a value": ('{"a": 1, "b":', {"a": 1}),
    "cut behind a backslash": ('{"a": "b\\', {"a": "b"}),
    "Chinese": ('{"歌词": "你好，\n世界"}', {"歌词": "你好，\n世界"}),
    "Japanese": ('結果: {"歌詞": "こんにちは"}。', {"歌詞": "こんにちは"}),
    "Korean": ('```\n{"가사": "안녕",}\n```', {"가사": "안녕"}),
    "Russian": ("{'слова': 'привет'}", {"слова": "привет"}),
}


@pytest.mark.parametrize(("text", "values"), OBJECTS.values(), ids=OBJECTS)
def test_an_object_is_read_from_what_models_write(text, values):
    assert read_object(text) == values


@pytest.mark.parametrize(
    "text",
    ["", "no", "{}", "[1, 2]", "{", "}{", '{"a": "x" "b": 1}', "{" * 90_000, '{"a":' * 9_000, "\\" * 99, "{'\\d'}"],
)
def test_what_is_no_object_is_refused(text):
    with pytest.raises(ValueError, match="no JSON object"):
        read_object(text)


def test_a_huge_answer_is_cut():
    assert read_object('{"a": "' + "x" * 10 * LONGEST)["a"] == "x" * (LONGEST - 7)


FULL = """{"genre": ["Synth-Pop", "pop", "Pop"], "vocals": {"type": "solo", "gender": "Female", "style": "breathy"},
 "instruments": ["Synthesizer", "drum machine", "unknown"], "mood": ["Wistful"], "timbre": [], "era": "1980s",
 "production": ["polished, wide"], "energy": "medium", "language": "English", "caption": "A *wistful* song."}"""


def test_a_full_description_becomes_the_fields_of_a_track():
    said = read_description(FULL, "a.wav")

    assert said.tags == (
        "synth-pop", "pop", "female vocals", "breathy vocals", "synthesizer", "drum machine", "wistful", "1980s",
        "polished, wide", "medium energy",
    )  # fmt: skip
    assert (said.genre, said.instrumental, said.language) == ("synth-pop, pop", False, "en")
    assert said.caption == "A wistful song."


def test_an_old_prompt_s_keys_are_read_too():
    said = read_description(
        '{"genre": "rock", "subgenre": ["math rock"], "instrument": "guitar, bass", "tempo": ["fast", "160 BPM"],'
        ' "mood": "angry", "has_vocal": true, "lyrics": "la la\\nla"}',
        "a.wav",
    )

    assert said.tags == ("rock", "math rock", "guitar", "bass", "angry", "fast")
    assert said.instrumental is False
    assert said.lyrics == "la la\nla"


@pytest.mark.parametrize(
    ("vocals", "tags", "instrumental"),
    [
        ('{"type": "solo", "gender": "male", "style": "raspy voice"}', ("male vocals", "raspy voice"), False),
        ('{"type": "choir", "gender": "mixed", "style": "unknown"}', ("mixed vocals", "choir"), False),
        ('{"type": "rap", "gender": "unknown", "style": ""}', ("rap",), False),
        ('{"type": "none", "gender": "unknown", "style": "none"}', ("instrumental",), True),
        ('{"type": "unknown", "gender": "unknown", "style": "unknown"}', (), None),
        ('"instrumental"', ("instrumental",), True),
        ('["female", "duet"]', ("female vocals", "duet"), False),
        ("false", ("instrumental",), True),
        ("true", (), False),
        ("null", (), None),
        ("7", (), None),
    ],
)
def test_a_voice_is_read_in_any_form(vocals, tags, instrumental):
    said = read_description(f'{{"genre": "pop", "vocals": {vocals}}}', "a.wav")

    assert said.tags == ("pop", *tags)
    assert said.instrumental is instrumental


@pytest.mark.parametrize(
    "tag", ["120 BPM", "bpm: 90", "A minor", "F# major", "c-minor", "4/4", "tempo 120", "x" * 60, " "]
)
def test_what_the_signal_says_and_what_is_no_tag_is_left_out(tag):
    assert read_description(f'{{"genre": "folk", "mood": ["calm", "{tag}"]}}', "a.wav").tags == ("folk", "calm")


def test_an_instrumental_has_neither_lyrics_nor_language():
    said = read_description('{"vocals": {"type": "none"}, "language": "en", "lyrics": "la"}', "a.wav").guesses(0.5)

    assert {name: guess.value for name, guess in said.items()} == {"tags": ["instrumental"], "instrumental": True}
    assert said["tags"].confidence == 0.5


@pytest.mark.parametrize(
    "text", ["I cannot hear audio.", "{}", '{"genre": ["unknown"], "caption": "N/A", "vocals": null}']
)
def test_an_answer_that_says_nothing_is_an_error_with_what_was_said(text):
    with pytest.raises(DataError) as caught:
        read_description(text, "a.wav")

    assert caught.value.code == "listening.no_answer"
    assert text[:20] in caught.value.message()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("en", "en"), ("EN-us", "en"), ("English", "en"), ("Mandarin Chinese", None), ("Mandarin", "zh"),
        ("yue", "yue"), ("en, zh", "en"), ("Japanese and English", "ja"), ("unknown", None), ("", None), (None, None),
        (3, None),
        ("instrumental", None), ("Klingon", None), (" 'fr'. ", "fr"),
    ],
)  # fmt: skip
def test_a_language_is_read_by_code_or_name(said, code):
    assert read_language(said) == code


def test_lyrics_may_come_as_a_list_of_lines():
    said = read_lyrics('{"language": "en", "lyrics": ["[Verse]", "we sing", 3, "all day"]}', "a.wav")

    assert said.lyrics == "[Verse]\nwe sing\nall day"


def test_long_lyrics_are_cut_after_a_whole_line():
    lyrics = "\\n".join(["我们一起唱"] * 300)
    said = read_lyrics(f'{{"language": "zh", "lyrics": "{lyrics}"}}', "a.wav")

    assert 990 <= len(said.lyrics) <= 1000
    assert set(said.lyrics.split("\n")) == {"我们一起唱"}
    assert said.language == "zh"


@pytest.mark.parametrize(
    "lyrics", ["", "[Instrumental]", "instrumental", "[Intro]\\n[Outro]", "unknown", "N/A", "(none)"]
)
def test_lyrics_of_nothing_are_missing(lyrics):
    assert read_lyrics(f'{{"language": "en", "lyrics": "{lyrics}"}}', "a.wav").lyrics is None


TRANSCRIPTS = {
    "English": ("# Languages\nen\n\n# Lyrics\n[verse 1]\nhello\n[chorus - guitar]\noh", "en",
                "[Verse 1]\nhello\n\n[Chorus - guitar]\noh"),
    "Chinese": ("# Languages\nzh\n\n# Lyrics\n[主歌]\n你好\n\n[副歌]\n世界", "zh", "[Verse]\n你好\n\n[Chorus]\n世界"),
    "Japanese": ("# Language\nja\n# Lyrics\n[Aメロ]\nやあ\n[サビ]\nさあ", "ja", "[Verse]\nやあ\n\n[Chorus]\nさあ"),
    "Korean": ("#Languages:\nko\n\n#Lyrics:\n[1절]\n안녕\n[후렴]\n그대", "ko", "[Verse 1]\n안녕\n\n[Chorus]\n그대"),
    "Spanish": ("# Languages\nes, en\n\n# Lyrics\n[Estribillo]\nhola", "es", "[Chorus]\nhola"),
    "without headers": ("[Verse 1]\nhello", None, "[Verse 1]\nhello"),
    "only lyrics": ("# Lyrics\nhello", None, "hello"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "language", "lyrics"), TRANSCRIPTS.values(), ids=TRANSCRIPTS)
def test_a_transcript_is_parted_into_language_and_lyrics(text, language, lyrics):
    said = read_transcript(text)

    assert (said.language, said.lyrics) == (language, lyrics)


@pytest.mark.parametrize(
    "text",
    ["", "[Instrumental]", "# Languages\nunknown\n\n# Lyrics\n[Intro - piano]\n\n[Instrumental]", "# Languages\nen"],
)
def test_a_transcript_without_a_sung_line_has_no_lyrics(text):
    said = read_transcript(text)

    assert (said.lyrics, said.language) == (None, None)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("One. Two and thr", "One."), ("No end here", "No end here"), ("一句话。另一", "一句话。"),
        ("It is 3.5 long. And", "It is 3.5 long."), ('He says "go!" Then', 'He says "go!'), ("", ""),
    ],
)  # fmt: skip
def test_prose_that_was_cut_ends_with_a_whole_sentence(text, kept):
    assert whole_sentences(text) == kept


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("**A song.**\n\n# It is good.", "A song. It is good."),
        ("A song. A song. A song.", "A song."),
        ('"Quoted"', "Quoted"),
        ("快乐。快乐。悲伤。", "快乐。 悲伤。"),
        ("- one\n- two", "- one - two"),
    ],
)
def test_prose_is_one_paragraph_without_layout_and_repetition(text, prose):
    assert plain_prose(text) == prose

import subprocess
import sys

import pytest

from acetune.annotation.annotator import Guess, Setup, Song
from acetune.annotation.language import LANGUAGES, UNKNOWN, LanguageAnnotator, identify, is_vocable, sung_lines
from acetune.data.track import Source, Track
from acetune.events import Job
from acetune.families.acestep_v15 import prompts
from verses import LYRICS


def listened(folder, **values):
    """What the annotator says about a track."""
    song = Song(Track(path="song.wav", seconds=60.0, **values), folder / "song.wav")
    with LanguageAnnotator().opened(Setup(folder, folder), Job()) as listen:
        return listen(song)


def together(*codes):
    return "\n".join(LYRICS[code] for code in codes)


@pytest.mark.parametrize("code", LYRICS)
def test_lyrics_are_told_by_their_language_alone(code):
    verdict = identify(LYRICS[code])

    assert (verdict.language, verdict.second) == (code, None)
    assert 0.6 <= verdict.confidence <= 1


def test_the_codes_are_those_of_the_lyric_header():
    codes = [code for codes in LANGUAGES.values() for code in codes]

    assert {*codes, UNKNOWN} == prompts.LANGUAGES
    assert len(codes) - len(set(codes)) == 1  # Serbian has two scripts


@pytest.mark.parametrize(
    ("first", "second"),
    [("es", "en"), ("fr", "en"), ("de", "en"), ("en", "ko"), ("ja", "en"), ("en", "zh"), ("ja", "ko"), ("pt", "es")],
)
def test_a_second_language_is_told_with_its_share(first, second):
    verdict = identify(together(first, second))

    assert {verdict.language, verdict.second} == {first, second}
    assert 0.4 < verdict.share <= 0.5


def test_lines_that_alternate_are_told_apart():
    lines = zip(LYRICS["en"].splitlines(), LYRICS["es"].splitlines(), strict=True)
    verdict = identify("\n".join(line for pair in lines for line in pair))

    assert {verdict.language, verdict.second} == {"en", "es"}


def test_one_line_of_another_language_is_no_second_language():
    verdict = identify(LYRICS["ko"] + "\nI love you baby\n" + LYRICS["ko"])

    assert (verdict.language, verdict.second) == ("ko", None)


def test_section_tags_and_times_are_not_lyrics():
    tagged = "[Verse 1 - the whole band plays softly]\n[00:12.50]" + LYRICS["es"].replace("\n", "\n[Chorus]\n")

    assert identify(tagged) == identify(LYRICS["es"])


def test_capital_letters_do_not_matter():
    assert identify(LYRICS["fr"].upper()).language == "fr"


@pytest.mark.parametrize(
    "lyrics",
    [
        "",
        "[Instrumental]",
        "[Verse]\nAmor\n[Chorus]\nbaby",
        "la la la la la\noh yeah, oh yeah\nna na na hey hey\nwhoa oh oh oh",
        "Shubba wubba dingdong fleem\nKrask uvvan morr telk\nZibbly xarn",
        "1234 5678 9012 3456 7890",
        "你好吗",
        "Ich liebe dich nur",
    ],
    ids=["nothing", "a mark", "two words", "syllables", "invented words", "digits", "three characters", "a short line"],
)
def test_what_is_no_evidence_is_unknown(lyrics):
    verdict = identify(lyrics)

    assert (verdict.language, verdict.confidence, verdict.second) == (UNKNOWN, 0.0, None)


@pytest.mark.parametrize(
    "lyrics",
    [
        "kimi no koto ga suki da yo\nzutto issho ni itai\nyoru no machi wo aruite\nboku wa mada koko ni iru",
        "jin ye wo du zi zou zai he bian\nyue guang zhao liang zheng zuo cheng shi\njin jin bao zhu wo",
    ],
    ids=["romaji", "pinyin"],
)
def test_a_transcription_into_latin_letters_is_not_taken_for_swahili(lyrics):
    assert identify(lyrics).language == UNKNOWN


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("La la la", True), ("Whoa-oh-oh, yeah", True), ("啦啦啦 啦啦", True), ("ラララ", True), ("라라라", True),
        ("ла-ла-ла", True), ("love me", False), ("永遠", False), ("我爱你", False), ("", False), ("42", False),
    ],
)  # fmt: skip
def test_syllables_are_told_from_words(line, expected):
    assert is_vocable(line) is expected


def test_a_long_cry_is_read_at_once():
    assert is_vocable("о" * 5000 + " " + "a" * 5000)


def test_sung_lines_are_those_with_words():
    assert sung_lines("[Intro]\n\n Hello  there \n【副歌】你好\n---\n<00:01.00>go <00:02.00>on") == (
        "Hello there",
        "你好",
        "go on",
    )


def test_the_annotator_gives_a_code_and_says_how_sure_it_is(tmp_path):
    guess = listened(tmp_path, lyrics=LYRICS["de"])["language"]

    assert (guess.value, guess.notice) == ("de", None)
    assert 0.9 < guess.confidence <= 1


def test_the_annotator_remarks_a_second_language(tmp_path):
    assert listened(tmp_path, lyrics=together("es", "en"))["language"].notice == "tagging.mixed_languages"


@pytest.mark.parametrize(
    "values",
    [{}, {"lyrics": "[Instrumental]"}, {"lyrics": "la la la"}, {"lyrics": LYRICS["en"], "instrumental": True}],
    ids=["no lyrics", "a mark", "syllables", "an instrumental"],
)
def test_the_annotator_says_nothing_where_nobody_sings_words(tmp_path, values):
    assert listened(tmp_path, **values) == {}


def test_the_annotator_ranks_below_files_and_above_recognisers():
    assert Source.ASR < LanguageAnnotator.source < Source.FILE


def test_the_model_is_not_imported_before_it_reads():
    code = "import sys, acetune.annotation.language; print('py3langid' in sys.modules, 'torch' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == (
        "False False\n"
    )


def test_guesses_are_values_of_the_field(tmp_path):
    assert listened(tmp_path, lyrics=LYRICS["yue"]) == {"language": Guess("yue", pytest.approx(0.92, abs=0.08))}

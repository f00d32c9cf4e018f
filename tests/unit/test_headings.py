import pytest

from acetune.data.headings import read_heading, with_headings

READ = {
    "[verse]": "[Verse]",
    "[VERSE 2]": "[Verse 2]",
    "[Verse 1: A Singer]": "[Verse 1]",
    "[Verse II]": "[Verse 2]",
    "[verse one]": "[Verse 1]",
    "[Chorus - anthemic]": "[Chorus - anthemic]",
    "[pre chorus]": "[Pre-Chorus]",
    "[Post-chorus]": "[Post-Chorus]",
    "[Middle 8]": "[Bridge]",
    "[Final Chorus]": "[Chorus]",
    "[guitar solo]": "[Guitar Solo]",
    "[Piano Interlude - soft]": "[Piano Interlude - soft]",
    "[Instrumental Break]": "[Instrumental]",
    "(Chorus)": "[Chorus]",
    "{Intro}": "[Intro]",
    "Chorus:": "[Chorus]",
    "Verse 2": "[Verse 2]",
    "**Bridge**": "[Bridge]",
    "# Verse 1": "[Verse 1]",
    "  [outro]  ": "[Outro]",
    "[主歌一]": "[Verse 1]",
    "[主歌2]": "[Verse 2]",
    "第二段主歌": "[Verse 2]",
    "【副歌】": "[Chorus]",
    "副歌：": "[Chorus]",
    "[導歌]": "[Pre-Chorus]",
    "[桥段]": "[Bridge]",
    "［間奏］": "[Interlude]",
    "[前奏]": "[Intro]",
    "[尾奏 - 渐弱]": "[Outro - 渐弱]",
    "[Aメロ]": "[Verse]",
    "［Ａメロ１］": "[Verse 1]",
    "[Bメロ]": "[Pre-Chorus]",
    "サビ：": "[Chorus]",
    "【落ちサビ】": "[Chorus]",
    "[Cメロ]": "[Bridge]",
    "[イントロ]": "[Intro]",
    "[セリフ]": "[Spoken]",
    "[1절]": "[Verse 1]",
    "후렴:": "[Chorus]",
    "[후렴구]": "[Chorus]",
    "[브릿지]": "[Bridge]",
    "[간주]": "[Interlude]",
    "[벌스 2]": "[Verse 2]",
    "[Куплет 2]": "[Verse 2]",
    "Припев:": "[Chorus]",
    "[проигрыш]": "[Interlude]",
    "Estribillo:": "[Chorus]",
    "[Refrão]": "[Chorus]",
    "[Strophe 3]": "[Verse 3]",
    "[Brücke]": "[Bridge]",
}
OTHERS = [
    "[x2]",
    "[Chorus x2]",
    "【合】",
    "Chorus",
    "bridge",
    "副歌",
    "サビ",
    "I see you: tonight",
    "Love (again)",
    "(oh yeah)",
    "[Verse 1] and then words",
    "verse 1 is a line",
    "12",
    "",
    "说唱的人",
    "주말의 후렴",
]


@pytest.mark.parametrize(("line", "heading"), READ.items())
def test_a_heading_is_read_in_any_spelling(line, heading):
    assert str(read_heading(line)) == heading


@pytest.mark.parametrize("heading", sorted(set(READ.values())))
def test_what_is_written_is_read_as_the_same(heading):
    assert str(read_heading(heading)) == heading


@pytest.mark.parametrize("line", OTHERS)
def test_anything_else_is_no_heading(line):
    assert read_heading(line) is None


def test_headings_get_the_spelling_of_the_model_and_a_blank_line_before():
    lyrics = "【前奏】\n主歌：\n你好\n世界\n副歌：\n[x2]\n啦啦\n\n\n主歌：\n再见\n"

    assert with_headings(lyrics) == "[Intro]\n\n[Verse 1]\n你好\n世界\n\n[Chorus]\n[x2]\n啦啦\n\n[Verse 2]\n再见"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("[verse]\na", "[Verse]\na"),
        ("[verse]\na\n[verse 5]\nb", "[Verse]\na\n\n[Verse 5]\nb"),
        ("[verse]\na\n[verse]\nb", "[Verse 1]\na\n\n[Verse 2]\nb"),
    ],
)
def test_verses_are_numbered_if_there_are_several_without_any_number(given, said):
    assert with_headings(given) == said


@pytest.mark.parametrize("lyrics", ["", "one line", "one\n\ntwo", "[Verse 1]\nla\n\n[Chorus - loud]\nla"])
def test_lyrics_in_the_right_form_stay_as_they_are(lyrics):
    assert with_headings(lyrics) == lyrics


def test_doing_it_twice_changes_nothing():
    once = with_headings("[verse]\na\n\n\n\n副歌:\nb\n[verse]\nc")

    assert with_headings(once) == once

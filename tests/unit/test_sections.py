import pytest

from acetune.annotation.sections import with_sections
from acetune.data.lrc import is_sung

#: Verse, chorus, verse, chorus with small differences, in seven languages.
SONGS = {
    "English": (
        "Walking down a road of stone\nnobody to call my own",
        "Sing with me, sing with me\nall the way to the sea",
        "Morning finds an empty street\ndust is under tired feet",
        "Sing with me! Sing with me,\nall the way to the sea",
    ),
    "Chinese": (
        "走在石头铺成的路上\n没有人陪在我身旁",
        "和我一起唱 一起唱\n一直唱到海的地方",
        "清晨只剩空荡的街\n尘土落在疲倦的鞋",
        "和我一起唱，一起唱！\n一直唱到海的地方",
    ),
    "Japanese": (
        "石の道をひとり歩く\n誰の名前も呼べないまま",
        "一緒に歌おう 一緒に歌おう\n海が見えるその日まで",
        "朝の街には影もなく\n疲れた足に砂がつく",
        "一緒に歌おう、一緒に歌おう\n海が見えるその日まで",
    ),
    "Korean": (
        "돌길을 홀로 걸어가네\n부를 이름 하나 없이",
        "함께 노래해 함께 노래해\n바다가 보일 때까지",
        "아침 거리는 비어 있고\n지친 발에 먼지만 쌓여",
        "함께 노래해, 함께 노래해\n바다가 보일 때까지",
    ),
    "Spanish": (
        "Camino por la piedra gris\nsin nadie que me diga sí",
        "Canta conmigo, canta más\nhasta la orilla y más allá",
        "La calle duerme sin hablar\nel polvo aprende a caminar",
        "¡Canta conmigo, canta más!\nHasta la orilla y más allá",
    ),
    "Russian": (
        "Иду по каменной тропе\nи некого позвать ко мне",
        "Пой со мною, пой со мной\nдо самой кромки голубой",
        "Пустая улица с утра\nи пыль осталась от вчера",
        "Пой со мною, пой со мной,\nдо самой кромки голубой!",
    ),
    "Thai": (
        "เดินบนทางหิน คนเดียว\nไม่มีใคร ให้เรียกหา",
        "ร้องกับฉัน ร้องกับฉัน\nจนถึง ทะเล",
        "เช้านี้ ถนน ว่างเปล่า\nฝุ่น ติดเท้า ที่ล้า",
        "ร้องกับฉัน ร้องกับฉัน\nจนถึง ทะเล",
    ),
}


def headings(lyrics):
    return [line[1:-1] for line in lyrics.split("\n") if line and not is_sung(line)]


def sung(lyrics):
    return [line for line in lyrics.split("\n") if is_sung(line)]


@pytest.mark.parametrize("parts", SONGS.values(), ids=SONGS)
def test_what_is_sung_again_is_the_chorus(parts):
    said = with_sections("\n\n".join(parts))

    assert headings(said.lyrics) == ["Verse 1", "Chorus", "Verse 2", "Chorus"]
    assert sung(said.lyrics) == sung("\n".join(parts))
    assert said.guessed


@pytest.mark.parametrize("parts", SONGS.values(), ids=SONGS)
def test_what_is_sung_again_before_each_chorus_is_the_pre_chorus(parts):
    verse, chorus, other, _ = parts
    said = with_sections("\n\n".join((verse, other, chorus, f"{chorus[:4]}\n{verse[:4]}", other, chorus)))

    assert headings(said.lyrics) == ["Verse 1", "Pre-Chorus", "Chorus", "Verse 2", "Pre-Chorus", "Chorus"]


@pytest.mark.parametrize(
    ("order", "names"),
    [
        ("a", ["Verse 1"]),
        ("abc", ["Verse 1", "Verse 2", "Verse 3"]),
        ("aa", ["Chorus", "Chorus"]),
        ("abab", ["Verse 1", "Chorus", "Verse 2", "Chorus"]),
        ("abcbb", ["Verse 1", "Chorus", "Verse 2", "Chorus", "Chorus"]),
        ("babcb", ["Chorus", "Verse 1", "Chorus", "Verse 2", "Chorus"]),
    ],
)
def test_the_order_of_repetitions_decides(order, names):
    parts = dict(zip("abc", SONGS["English"], strict=False))

    assert headings(with_sections("\n\n".join(parts[name] for name in order)).lyrics) == names


def test_sections_are_set_apart_by_one_blank_line():
    assert with_sections("a b\n \n\n\nc d").lyrics == "[Verse 1]\na b\n\n[Verse 2]\nc d"


@pytest.mark.parametrize(
    ("times", "names"),
    [
        ((0, 3, 6, 9), ["Verse 1"]),
        ((0, 3, 9, 12), ["Verse 1", "Verse 2"]),
        ((0, 1, 4, 5), ["Verse 1"]),
        ((0, 4, 11, 15), ["Verse 1"]),
        ((0, 3, 25, 28), ["Verse 1", "Instrumental", "Verse 2"]),
        ((15, 18, 21, 24), ["Intro", "Verse 1"]),
    ],
    ids=["steady", "a pause", "a short pause", "slow lines", "a solo", "a late start"],
)
def test_times_show_where_sections_end(times, names):
    said = with_sections("one two\nthree four\nfive six\nseven eight", times)

    assert headings(said.lyrics) == names
    assert said.line_times == times


@pytest.mark.parametrize(("seconds", "last"), [(30, "Verse 1"), (60, "Outro"), (None, "Verse 1")])
def test_music_after_the_last_line_is_the_outro(seconds, last):
    assert headings(with_sections("one\ntwo\nthree", (0, 8, 16), seconds).lyrics)[-1] == last


def test_a_solo_inside_a_paragraph_ends_it_and_a_shorter_pause_does_not():
    lyrics = "one\ntwo\nthree\n\nfour"

    assert headings(with_sections(lyrics, (0, 3, 20, 23)).lyrics) == ["Verse 1", "Instrumental", "Verse 2", "Verse 3"]
    assert headings(with_sections(lyrics, (0, 3, 12, 15)).lyrics) == ["Verse 1", "Verse 2"]


def test_times_of_another_number_of_lines_say_nothing():
    said = with_sections("one\ntwo\nthree", (0, 30))

    assert said.line_times is None
    assert headings(said.lyrics) == ["Verse 1"]


@pytest.mark.parametrize("lyrics", ["[Verse 1]\nla\n\n[Chorus]\nlo", "[x2]\nla\nla"])
def test_lyrics_that_have_headings_keep_them(lyrics):
    said = with_sections(lyrics, (0, 1))

    assert (said.lyrics, said.line_times, said.guessed) == (lyrics, (0, 1), False)


def test_a_heading_without_brackets_takes_its_time_with_it():
    said = with_sections("Verse 1:\nla\n副歌：\nlo", (0, 1, 9, 10))

    assert said.lyrics == "[Verse 1]\nla\n\n[Chorus]\nlo"
    assert said.line_times == (1, 10)


@pytest.mark.parametrize("lyrics", ["", "\n\n", "..."])
def test_nothing_to_be_sung_is_left_alone(lyrics):
    assert sung(with_sections(lyrics).lyrics) == sung(lyrics)


@pytest.mark.parametrize("parts", SONGS.values(), ids=SONGS)
def test_doing_it_twice_changes_nothing(parts):
    once = with_sections("\n\n".join(parts)).lyrics

    assert with_sections(once).lyrics == once

import pytest

from acetune.annotation.guards import guarded

CREDITS = [
    "Thanks for watching!",
    "Thank you so much for watching.",
    "Subtitles by the Amara.org community",
    "Please subscribe",
    "Transcribed by someone",
    "字幕由某某提供",
    "请不吝点赞 订阅 转发",
    "謝謝觀看",
    "ご視聴ありがとうございました",
    "チャンネル登録お願いします",
    "시청해주셔서 감사합니다",
    "한글자막 by 누군가",
    "Sous-titres réalisés par la communauté",
    "Untertitel im Auftrag des Senders",
    "Subtítulos por la comunidad",
    "Legendas pela comunidade",
    "Субтитры сделал кто-то",
    "Продолжение следует...",
    "(Music)",
    "(음악)",
    "（音楽）",
    "*applause*",
    "<музыка>",
    "♪♪♪",
]
SUNG = [
    "Thank you for the light you gave",
    "I subscribe to my heart tonight",
    "watching you, watching you",
    "(oh yeah)",
    "（ずっと そばに）",
    "谢谢你的温柔",
    "ありがとうと言わせて",
    "고마워요 그대",
    "la la la la la la",
    "啦啦啦啦啦啦",
    "Gracias por la luz",
]


@pytest.mark.parametrize("line", CREDITS)
def test_what_nobody_sang_is_dropped(line):
    assert guarded(["one", line, "two"]).lines == ("one", "two")


@pytest.mark.parametrize("line", SUNG)
def test_what_could_be_sung_stays(line):
    said = guarded(["one", line, "two"])

    assert said.lines == ("one", line, "two")
    assert not said.looped


def test_marks_of_music_around_words_go_and_the_words_stay():
    assert guarded(["♪ la luna ♪"]).lines == ("la luna",)


def test_headings_and_blank_lines_stay():
    assert guarded(["[Verse 1]", "one", "", "[Chorus]", "two"]).lines == ("[Verse 1]", "one", "", "[Chorus]", "two")


@pytest.mark.parametrize("cycle", [["around again"], ["a", "b"], ["我爱你", "再见", "明天"], ["p", "q", "r", "s"]])
def test_a_loop_of_lines_is_heard_twice(cycle):
    said = guarded(["first", *cycle * 9, "last"])

    assert said.lines == ("first", *cycle * 2, "last")
    assert said.looped


@pytest.mark.parametrize("times", [1, 4, 6])
def test_a_line_may_come_six_times(times):
    said = guarded(["let it snow"] * times)

    assert said.lines == ("let it snow",) * times
    assert not said.looped


@pytest.mark.parametrize("phrase", ["go", "I love you", "мой дом", "사랑해 너를"])
def test_a_loop_inside_a_line_is_cut(phrase):
    said = guarded([" ".join([phrase] * 30)])

    assert said.lines == (" ".join([phrase] * 4),)
    assert said.looped


@pytest.mark.parametrize("phrase", ["啦", "我爱", "ラン", "노래해"])
def test_a_loop_without_spaces_is_cut(phrase):
    assert guarded([phrase * 40]).lines == (phrase * 4,)


def test_a_cut_line_at_the_end_of_a_loop_stays():
    assert guarded(["go home"] * 9 + ["go ho"]).lines == ("go home", "go home", "go ho")


def test_the_places_of_what_is_left_are_told():
    said = guarded(["a", "Thanks for watching", *["b"] * 8, "c"])

    assert said.kept == (0, 2, 3, 10)
    assert said.lines == ("a", "b", "b", "c")


def test_nothing_stays_nothing():
    assert guarded([]).lines == ()


@pytest.mark.parametrize(("lines", "trust"), [(["la"] * 40, 0.4), (["one", "two"], 0.8)])
def test_what_is_left_of_a_loop_is_trusted_half_as_much(lines, trust):
    assert guarded(lines).trust(0.8) == pytest.approx(trust)


def test_trust_that_is_unknown_stays_unknown():
    assert guarded(["la"] * 40).trust(None) is None

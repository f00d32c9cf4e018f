import pytest

from acetune.annotation import honesty
from acetune.annotation.honesty import Doubt, doubts
from acetune.annotation.labels import read_labels
from acetune.data.track import Track
from verses import LYRICS

SONG = {
    "en": "Over the hills the evening comes\nand every window holds a light\nI left my shadow at your door",
    "zh": "黄昏越过山丘\n每扇窗都亮着灯\n我把影子留在你门前\n守着台阶",
    "ja": "丘を越えて夕暮れが来る\nどの窓にも明かりがともる\n影を君の扉に置いてきた",
    "ko": "언덕 너머로 저녁이 와\n창문마다 불빛이 있어\n내 그림자를 네 문 앞에 두고 왔어",
    "es": "Por las colinas viene la tarde\ny en cada ventana hay una luz\ndejé mi sombra en tu puerta\npara cuidar",
}  # fmt: skip


def track(**values):
    return Track(path="song.wav", seconds=60.0, **values)


def lines(line, count):
    return "\n".join([line] * count)


@pytest.mark.parametrize(
    ("lyrics", "text", "times"),
    [
        (SONG["en"] + "\n" + lines("I don't know why", 9), "i dont know why", 9),
        (SONG["en"] + "\n" + lines("You and me", 40) + "\n" + SONG["en"], "you and me", 40),
        (lines("We go on,", 20).lower() + "\n" + SONG["en"], "we go on", 20),
        (lines("stay with me\nrun away", 9), "stay with me run away", 9),
        (SONG["zh"] + "\n" + lines("我想你。", 12), "我想你", 12),
        ("我爱你" * 14, "我爱你", 14),
        (lines("愛してる", 10), "愛してる", 10),
        ("会いたい" * 13, "会いたい", 13),
        (SONG["ko"] + "\n" + lines("사랑해 너를", 11), "사랑해 너를", 11),
        (SONG["es"] + "\n" + lines("Te quiero tanto", 15), "te quiero tanto", 15),
        (SONG["es"] + "\n" + " ".join(["corazón"] * 30), "corazón", 30),
        ("the end of the world " * 13, "the end of the world", 13),
    ],
)
def test_words_that_go_round_and_round_are_doubted(lyrics, text, times):
    assert honesty.loop(track(lyrics=lyrics)) == Doubt("tagging.loop", {"text": text, "times": times})


@pytest.mark.parametrize(
    "lyrics",
    [
        None,
        "",
        *SONG.values(),
        *(lines(song, 4) for song in SONG.values()),
        lines("Around we go", 8),
        lines("la la la la", 40),
        "[Chorus]\n" + "\n[Chorus]\n".join(SONG.values()),
        "na " * 60,
        "啦" * 40,
        "ラ" * 40,
        lines("oh yeah", 16),
        " ".join(["love"] * 12),
    ],
)
def test_choruses_and_syllables_may_come_again(lyrics):
    assert honesty.loop(track(lyrics=lyrics)) is None


@pytest.mark.parametrize(
    "line",
    [
        "Thanks for watching!",
        "Subtitles by the Amara.org community",
        "Lyrics by: A. Nobody",
        "Produced by: Some Studio",
        "字幕由Amara.org社区提供",
        "请不吝点赞 订阅 转发 打赏支持",
        "作词 : 某人",
        "编曲：某人",
        "ご視聴ありがとうございました",
        "作詞：だれか",
        "시청해주셔서 감사합니다",
        "작사: 아무개",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Letra: Fulano",
        "Sous-titrage ST' 501",
        "Untertitel im Auftrag des ZDF, 2021",
        "Субтитры сделал DimaTorzok",
    ],
)
def test_lines_that_nobody_sings_are_doubted(line):
    found = honesty.credit(track(lyrics=f"{SONG['en']}\n{line}"))

    assert found == Doubt("tagging.credit", {"text": line})


@pytest.mark.parametrize(
    "lyrics",
    [*SONG.values(), *LYRICS.values(), "Thanks for the music\nthat I gave you", "词不达意\n曲终人散", "Musik ist mein"],
)  # fmt: skip
def test_lines_that_somebody_sings_are_no_credits(lyrics):
    assert honesty.credit(track(lyrics=lyrics)) is None


@pytest.mark.parametrize(
    ("declared", "sung"),
    [("en", "zh"), ("zh", "ja"), ("ja", "ko"), ("ko", "es"), ("es", "en"), ("de", "fr"), ("ru", "uk")],
)
def test_lyrics_in_another_language_than_declared_are_doubted(declared, sung):
    assert honesty.wrong_language(track(lyrics=LYRICS[sung], language=declared)) == Doubt(
        "tagging.wrong_language", {"declared": declared, "found": sung}
    )


@pytest.mark.parametrize("code", LYRICS)
def test_lyrics_in_their_own_language_are_believed(code):
    assert honesty.wrong_language(track(lyrics=LYRICS[code], language=code)) is None


@pytest.mark.parametrize(
    "values",
    [
        {"lyrics": LYRICS["en"]},
        {"lyrics": LYRICS["en"], "language": "unknown"},
        {"lyrics": LYRICS["en"], "language": "eo"},
        {"lyrics": LYRICS["en"], "language": "de", "instrumental": True},
        {"language": "en"},
        {"lyrics": "la la la la la la la la la", "language": "en"},
        {"lyrics": LYRICS["zh"], "language": "yue"},
        {"lyrics": LYRICS["ko"] + "\n" + LYRICS["en"], "language": "ko"},
        {"lyrics": LYRICS["ko"] + "\n" + LYRICS["en"], "language": "en"},
        {"lyrics": "kimi no koto ga suki da yo\nzutto issho ni itai\nyoru no machi wo aruite", "language": "ja"},
    ],
    ids=[
        "not declared", "unknown", "not known here", "nobody sings", "no lyrics", "syllables", "a relative",
        "the first of two", "the second of two", "a transcription",
    ],
)  # fmt: skip
def test_what_may_be_meant_so_is_no_wrong_language(values):
    assert honesty.wrong_language(track(**values)) is None


@pytest.mark.parametrize(
    ("caption", "bpm", "said"),
    [
        ("A slow piano ballad", 174.0, "slow"),
        ("Downtempo with warm pads", 150.0, "Downtempo"),
        ("a fast-paced punk song", 70.0, "fast-paced"),
        ("uptempo house", 62.0, "uptempo"),
        ("缓慢的钢琴曲", 180.0, "缓慢"),
        ("快节奏电子乐", 60.0, "快节奏"),
        ("ゆっくりとしたピアノ", 172.0, "ゆっくり"),
        ("アップテンポなロック", 65.0, "アップテンポ"),
        ("느린 발라드", 160.0, "느린"),
        ("빠른 댄스곡", 64.0, "빠른"),
        ("una balada lenta", 170.0, "lenta"),
        ("punk muy rápido", 72.0, "rápido"),
        ("langsames Klavierstück", 165.0, "langsames"),
        ("ein schneller Rocksong", 70.0, "schneller"),
        ("une ballade lente", 168.0, "lente"),
    ],
)
def test_a_caption_that_contradicts_the_tempo_is_doubted(caption, bpm, said):
    assert honesty.caption_pace(track(caption=caption, bpm=bpm)) == Doubt("tagging.pace", {"said": said, "bpm": bpm})


@pytest.mark.parametrize(
    ("caption", "bpm"),
    [
        ("A slow piano ballad", 72.0),
        ("A slow piano ballad", 140.0),
        ("a fast punk song", 180.0),
        ("a fast punk song", 80.0),
        ("a fast punk song", None),
        ("starts slow, ends fast", 180.0),
        ("a slow build to a loud ending", 174.0),
        ("synth with fast attack", 70.0),
        ("not too fast", 60.0),
        ("慢慢变快的快板", 120.0),
        ("breakfast club", 60.0),
        (None, 60.0),
    ],
)
def test_a_caption_that_fits_the_tempo_is_believed(caption, bpm):
    assert honesty.caption_pace(track(caption=caption, bpm=bpm)) is None


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("女性ボーカルのポップ", "ボーカル"),
        ("여성 보컬 발라드", "보컬"),
        ("con voz femenina suave", "voz femenina"),
        ("Pop mit Frauenstimme", "Frauenstimme"),
        ("pop avec voix féminine", "voix féminine"),
    ],
)
def test_a_caption_with_a_voice_on_an_instrumental_is_doubted(caption, said):
    assert honesty.caption_voice(track(caption=caption, instrumental=True)) == Doubt(
        "tagging.caption_voice", {"said": said}
    )
    assert honesty.caption_voice(track(caption=caption, instrumental=False)) is None


@pytest.mark.parametrize(
    ("caption", "said"),
    [
        ("ボーカルなしのピアノ曲", "ボーカルなし"),
        ("보컬 없는 피아노곡", "보컬 없"),
        ("piano sin voz", "sin voz"),
        ("Klavier ohne Gesang", "ohne Gesang"),
        ("piano sans voix", "sans voix"),
    ],
)
def test_a_caption_without_a_voice_on_a_song_with_lyrics_is_doubted(caption, said):
    assert honesty.caption_voice(track(caption=caption, lyrics=SONG["en"])) == Doubt(
        "tagging.caption_instrumental", {"said": said}
    )
    assert honesty.caption_voice(track(caption=caption, lyrics="[Instrumental]")) is None
    assert honesty.caption_voice(track(caption=caption, lyrics=SONG["en"], instrumental=True)) is None


@pytest.mark.parametrize("caption", ["female vocals, ボーカル", "no vocals, ボーカルなし", "女声", "无人声"])
def test_english_and_chinese_voices_are_left_to_the_check_of_texts(caption):
    for values in ({"instrumental": True}, {"lyrics": SONG["en"]}):
        assert honesty.caption_voice(track(caption=caption, **values)) is None


@pytest.mark.parametrize(
    ("caption", "tag", "said"),
    [
        ("pop with a female singer", "male vocals", "female"),
        ("a man sings softly", "female vocals", "man"),
        ("温柔的女声", "male vocals", "女声"),
        ("男性ボーカルのロック", "female rap", "男性ボーカル"),
        ("여성 보컬", "male vocals", "여성"),
        ("voz masculina", "female vocals", "masculina"),
        ("männliche Stimme", "female vocals", "männliche"),
        ("une chanteuse", "male vocals", "chanteuse"),
    ],
)
def test_a_caption_and_tags_with_different_singers_are_doubted(caption, tag, said):
    found = honesty.caption_singer(track(caption=caption, tags=("pop", tag)))

    assert found == Doubt("tagging.caption_singer", {"said": said, "tagged": tag.split()[0]})


@pytest.mark.parametrize(
    ("caption", "tags"),
    [
        ("pop with a female singer", ("female vocals",)),
        ("a duet of a man and a woman", ("female vocals",)),
        ("a female singer", ("male and female duet",)),
        ("a female singer", ("choir",)),
        ("a female singer", None),
        (None, ("male vocals",)),
        ("manic drums", ("female vocals",)),
    ],
)
def test_singers_that_fit_are_believed(caption, tags):
    assert honesty.caption_singer(track(caption=caption, tags=tags)) is None


@pytest.mark.parametrize("code", SONG)
def test_an_honest_track_raises_no_doubt(code):
    honest = track(
        lyrics="[Verse 1]\n" + SONG[code] + "\n\n[Chorus]\nla la la\n", language=code, bpm=96.0,
        caption="A gentle folk song with a female singer", tags=("folk", "female vocals", "acoustic guitar"),
    )  # fmt: skip

    assert list(doubts(honest)) == []


@pytest.mark.parametrize("dimension", read_labels(), ids=lambda dimension: dimension.name)
def test_no_built_in_tag_contradicts_a_tempo_of_its_own_kind(dimension):
    tags = tuple(tag for tag in dimension.tags() if tag not in ("low energy", "downtempo"))

    assert honesty.caption_pace(track(tags=tags, bpm=200.0)) is None
    assert honesty.caption_pace(track(tags=tags, bpm=40.0)) is None


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_doubt_has_its_sentences(language):
    strange = track(
        lyrics=lines("I don't know why", 20) + "\nThanks for watching", language="fr", bpm=190.0,
        caption="a slow ballad, ein Sänger", tags=("female vocals",), instrumental=None,
    )  # fmt: skip
    found = [*doubts(strange), *doubts(track(caption="Frauenstimme", instrumental=True)),
             *doubts(track(caption="ohne Gesang", lyrics=SONG["en"]))]  # fmt: skip

    assert [doubt.code.removeprefix("tagging.") for doubt in found] == [
        "loop", "credit", "wrong_language", "pace", "caption_singer", "caption_voice", "caption_instrumental",
    ]  # fmt: skip
    for doubt in found:
        assert all(str(value) in doubt.problem.message(language) for value in doubt.values.values())
        assert doubt.problem.remedy(language)

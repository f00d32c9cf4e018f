import pytest

from acetune.data.lyric_text import is_instrumental, normalised


@pytest.mark.parametrize(
    ("language", "raw", "wanted"),
    [
        ("en", "HELLO WORLD,MY FRIEND!!!\nI'M HERE  TODAY...", "Hello world, my friend!\nI'm here today..."),
        ("en", "verse 1:\n“hello” it’s me ,  i said", '[Verse 1]\n"Hello" it\'s me, I said'),
        ("en", "i'm sure i am\nand so am i", "I'm sure I am\nAnd so am I"),
        ("en", "[CHORUS]\n\n\nla la\n\n\n\n\n[outro]\nbye", "[Chorus]\nLa la\n\n[Outro]\nBye"),
        ("en", "one\r\ntwo\u2028three", "One\nTwo\nThree"),
        ("en", "Hey ♪ you\u200b there ♫", "Hey you there"),
        ("en", "Really?!?! Yes..... ok,,", "Really?! Yes... ok,"),
        ("en", "HEY!\nYou and me\nAll day long", "HEY!\nYou and me\nAll day long"),
        ("en", "1,000 nights at 3:30", "1,000 nights at 3:30"),
        ("de", "ich liebe dich\nüber alles", "Ich liebe dich\nÜber alles"),
        ("de", "straße\nßtart", "Straße\nßtart"),
        ("fr", "« Bonjour » ,dit-elle…\nils sont là !", '"Bonjour", dit-elle...\nIls sont là !'),
        ("tr", "IŞIKLAR YANIYOR\nİSTANBUL'DA", "Işıklar yanıyor\nİstanbul'da"),
        ("tr", "istanbul", "İstanbul"),
        ("ru", "привет,мир!!\n[Припев]\nлето", "Привет, мир!\n\n[Chorus]\nЛето"),
        ("zh", "主歌：\n你好,世界!!\n我爱你。。。", "[Verse]\n你好，世界！\n我爱你……"),
        ("zh", "【副歌】\n啦啦啦 , 啦\n我在3:00等你(x2)", "[Chorus]\n啦啦啦，啦\n我在3:00等你（x2）"),
        ("zh", "you 和 me , 好吗", "You 和 me，好吗"),
        ("ja", "[サビ]\nあいたくて,あいたくて!\nＬＯＶＥだよ", "[Chorus]\nあいたくて、あいたくて！\nLOVEだよ"),
        ("ja", "「好き」と言って...", "「好き」と言って……"),
        ("ko", "[후렴]\n사랑해！！ 정말로，너를", "[Chorus]\n사랑해! 정말로, 너를"),
        ("ko", "“사랑”이란  말", '"사랑"이란 말'),
        (None, "i polska\n[Verse]\nla\n[Verse]\nlo", "I polska\n\n[Verse 1]\nLa\n\n[Verse 2]\nLo"),
        (None, "[whispered]\nla", "[whispered]\nLa"),
        (None, "  \n\n ", ""),
    ],
)
def test_lyrics_come_into_one_form(language, raw, wanted):
    assert normalised(raw, language) == wanted


@pytest.mark.parametrize(
    ("lyrics", "wanted"),
    [
        ("[Instrumental]", True),
        ("[instrumental]\n\n[INSTRUMENTAL]", True),
        ("[纯音乐]", True),
        ("[Instrumental]\nla", False),
        ("[Verse]", False),
        ("", False),
    ],
)
def test_lyrics_may_say_only_that_nobody_sings(lyrics, wanted):
    assert is_instrumental(lyrics) is wanted

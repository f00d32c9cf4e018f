"""Lyrics in many languages, invented for the tests."""

#: The same six lines, invented for this test.
LYRICS = {
    "en": "Walking down the river in the pale moonlight\nI can hear the city calling out your name\n"
    "Hold me close tonight\nNever let me go again\nOh the summer's fading fast\nAnd I am still the same",
    "de": "Ich laufe durch den Regen in der dunklen Nacht\nUnd hör die Straßen flüstern, was hat uns hergebracht\n"
    "Halt mich fest\nLass mich nie mehr los\nDer Sommer geht vorbei\nund unser Herz ist groß",
    "es": "Camino solo por la orilla del río\nLa luna brilla sobre la ciudad\nAbrázame esta noche\n"
    "No me dejes nunca más\nSe acaba ya el verano\ny yo sigo igual que ayer",
    "fr": "Je marche seul au bord de la rivière\nLa lune éclaire encore ton visage\nSerre-moi fort ce soir\n"
    "Ne me laisse pas partir\nL'été s'en va déjà\nEt je reste le même",
    "pt": "Eu caminho sozinho na beira do rio\nA lua brilha sobre a cidade\nMe abraça esta noite\n"
    "Não me deixe nunca mais\nO verão já vai embora\ne eu continuo o mesmo",
    "sw": "Ninatembea peke yangu kando ya mto usiku huu\nMwezi unang'aa juu ya mji\nNikumbatie kwa nguvu\n"
    "Usiniache kamwe\nMajira ya joto yamepita\nna mimi bado ni yule yule",
    "ru": "Я иду один вдоль реки этой ночью\nЛуна светит над городом\nОбними меня крепче\n"
    "Не отпускай меня больше никогда\nЛето уже прошло\nа я всё тот же",
    "uk": "Я йду сам уздовж річки цієї ночі\nМісяць світить над містом\nОбійми мене міцніше\n"
    "Не відпускай мене більше ніколи\nЛіто вже минуло\nа я все той самий",
    "zh": "今夜我独自走在河边\n月光照亮整座城市\n紧紧抱住我\n再也不要放开\n夏天已经过去\n而我依然如昨",
    "yue": "今晚我自己一個行喺河邊\n月光照住成個城市\n攬實我啦\n唔好再放開我\n夏天已經過咗\n但係我仲係嗰個我",
    "ja": "今夜ひとりで川沿いを歩く\n月明かりが街を照らして\n強く抱きしめて\nもう二度と離さないで\n"
    "夏はもう終わる\n永遠",
    "ko": "오늘 밤 나 홀로 강가를 걸어가\n달빛이 도시를 비추고 있어\n나를 꼭 안아줘\n다시는 놓지 말아줘\n"
    "여름은 벌써 지나가고",
    "th": "คืนนี้ฉันเดินคนเดียวริมแม่น้ำ\nแสงจันทร์ส่องเมือง\nกอดฉันไว้แน่นๆ\nอย่าปล่อยฉันไปอีกเลย",
    "el": "Περπατώ μόνος δίπλα στο ποτάμι απόψε\nΤο φεγγάρι λάμπει πάνω από την πόλη\nΚράτα με σφιχτά",
    "he": "אני הולך לבד ליד הנהר הלילה\nהירח מאיר מעל העיר\nחבק אותי חזק",
    "ar": "أمشي وحدي على ضفة النهر الليلة\nالقمر يضيء فوق المدينة\nضمني إليك بقوة\nلا تتركني أبدا",
    "fa": "امشب تنها در کنار رودخانه قدم می‌زنم\nماه بر فراز شهر می‌درخشد\nمرا محکم در آغوش بگیر",
    "hi": "आज रात मैं नदी के किनारे अकेला चल रहा हूँ\nचाँद शहर के ऊपर चमक रहा है\nमुझे गले से लगा लो",
    "vi": "Em đi một mình bên dòng sông đêm nay\nÁnh trăng sáng trên thành phố\nÔm em thật chặt",
}  # fmt: skip

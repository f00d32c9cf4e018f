"""Tables of how ACE-Step v1's lyrics are spelled out before they become tokens: facts of its published text cleaners.

Keys are language codes; a language that a table lacks has nothing of its kind.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

#: Languages that lyrics can be tokenised in, and the token that begins a line in each.
LANGUAGES: Final = (
    "en", "de", "fr", "ru", "es", "it", "pt", "cs", "pl", "tr", "nl", "ar", "zh", "ja", "hu", "ko", "hi",
)  # fmt: skip

#: What is said for & @ % # $ £ °.
SYMBOLS: Final = "&@%#$£°"
SYMBOL_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "and/at/percent/hash/dollar/pound/degree",
        "es": "y/arroba/por ciento/numeral/dolar/libra/grados",
        "fr": "et/arobase/pour cent/dièse/dollar/livre/degrés",
        "de": "und/at/prozent/raute/dollar/pfund/grad",
        "pt": "e/arroba/por cento/cardinal/dólar/libra/graus",
        "it": "e/chiocciola/per cento/cancelletto/dollaro/sterlina/gradi",
        "pl": "i/małpa/procent/krzyżyk/dolar/funt/stopnie",
        "ar": "و/على/في المئة/رقم/دولار/جنيه/درجة",
        "zh": "和/在/百分之/号/美元/英镑/度",
        "cs": "a/na/procento/křížek/dolar/libra/stupně",
        "ru": "и/собака/процентов/номер/доллар/фунт/градус",
        "nl": "en/bij/procent/hekje/dollar/pond/graden",
        "tr": "ve/at/yüzde/diyez/dolar/sterlin/derece",
        "hu": "és/kukac/százalék/kettőskereszt/dollár/font/fok",
        "ko": "그리고/에/퍼센트/번호/달러/파운드/도",
    }
)

#: Abbreviations and what they stand for; a full stop follows them, but in Russian.
ABBREVIATIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "mrs=misess mr=mister dr=doctor st=saint co=company jr=junior maj=major gen=general drs=doctors "
        "rev=reverend lt=lieutenant hon=honorable sgt=sergeant capt=captain esq=esquire ltd=limited col=colonel "
        "ft=fort",
        "es": "sra=señora sr=señor dr=doctor dra=doctora st=santo co=compañía jr=junior ltd=limitada",
        "fr": "mme=madame mr=monsieur dr=docteur st=saint co=compagnie jr=junior ltd=limitée",
        "de": "fr=frau dr=doktor st=sankt co=firma jr=junior",
        "pt": "sra=senhora sr=senhor dr=doutor dra=doutora st=santo co=companhia jr=júnior ltd=limitada",
        "it": "sig=signore dr=dottore st=santo co=compagnia jr=junior ltd=limitata",
        "pl": "p=pani m=pan dr=doktor sw=święty jr=junior",
        "cs": "dr=doktor ing=inženýr p=pan",
        "ru": "г-жа=госпожа г-н=господин д-р=доктор",
        "nl": "dhr=de_heer mevr=mevrouw dr=dokter jhr=jonkheer",
        "tr": "b=bay byk=büyük dr=doktor",
        "hu": "dr=doktor b=bácsi nőv=nővér",
    }
)

#: How a number ends that is an ordinal: a pattern.
ORDINALS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "en": "st|nd|rd|th",
        "es": "º|ª|er|o|a|os|as",
        "fr": "º|ª|er|re|e|ème",
        "de": r"st|nd|rd|th|º|ª|\.(?=\s|$)",
        "pt": "º|ª|o|a|os|as",
        "it": "º|°|ª|o|a|i|e",
        "pl": "º|ª|st|nd|rd|th",
        "ar": "ون|ين|ث|ر|ى",
        "cs": r"\.(?=\s|$)",
        "ru": "-й|-я|-е|-ое|-ье|-го",
        "nl": "de|ste|e",
        "tr": r"\.|inci|nci|uncu|üncü",
        "hu": r"\.|adik|edik|odik|edik|ödik|ödike|ik",
        "ko": "번째|번|차|째",
    }
)

#: What stands between the whole and the hundredth part of an amount of money, where that part is nothing.
MONEY_JOINTS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("en", "pl", "cs", "ru", "nl", "ar", "tr", "hu", "ko"), ", "),
        "es": " con ", "fr": " et ", "de": " und ", "pt": " e ", "it": " e ",
    }
)  # fmt: skip

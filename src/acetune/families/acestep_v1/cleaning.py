"""Lyrics as ACE-Step v1 reads them: lower case, numbers and symbols in words, Chinese, Japanese, Korean in Latin.

Steps and their order are those of the published cleaners; a step that fails leaves the text as it was. Chinese numbers
are read by rules of our own, for there is no library of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final

from acetune.errors import MissingDependency
from acetune.families.acestep_v1.spelling import (
    ABBREVIATIONS,
    MONEY_JOINTS,
    ORDINALS,
    SYMBOL_WORDS,
    SYMBOLS,
)

#: What a library of numbers raises for a language or a number that it does not have.
_REFUSALS = (NotImplementedError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
_NUMBER = r"[0-9\.\,]*[0-9]+"
#: Currencies in the order in which they are looked for.
_MONEY: Final = (
    ("GBP", rf"(£{_NUMBER}|{_NUMBER}£)"),
    ("USD", rf"(\${_NUMBER}|{_NUMBER}\$)"),
    ("EUR", rf"({_NUMBER}€|€{_NUMBER})"),
)
_TURKISH: Final = str.maketrans({"İ": "i", "Ö": "ö", "Ü": "ü"})
_DIGITS: Final = "零一二三四五六七八九"
_PLACES: Final = ("", "十", "百", "千")
#: Full-width forms, and the first of the plain ones that they stand for.
_WIDE = re.compile("[\uff01-\uff5e]")
_WIDE_OFFSET: Final = 0xFEE0


def cleaned(text: str, language: str) -> str:
    """Return one line as it is tokenised.

    Args:
        text: A line of lyrics.
        language: One of `spelling.LANGUAGES`.

    Raises:
        MissingDependency: If the extra ``v1`` is needed for this line and not installed.
    """
    if language == "ja":
        return _romaji(text).lower()
    if language == "hi":
        return _single_spaces(text.lower())
    text = text.replace('"', "")
    if language == "tr":
        text = text.translate(_TURKISH)
    text = _numbers_in_words(text.lower(), language)
    text = _symbols_in_words(_without_abbreviations(text, language), language)
    finish = {"zh": _pinyin, "ko": _romanised}.get(language, str)
    return finish(_single_spaces(text))


def _single_spaces(text: str) -> str:
    """Return a text whose runs of space are single spaces."""
    return re.sub(r"\s+", " ", text)


def _without_abbreviations(text: str, language: str) -> str:
    """Return a text with abbreviations written out."""
    for pair in ABBREVIATIONS.get(language, "").split():
        short, _, whole = pair.partition("=")
        end = r"\b" if language == "ru" else r"\."
        text = re.sub(rf"\b{short}{end}", whole.replace("_", " "), text, flags=re.IGNORECASE)
    return text


def _symbols_in_words(text: str, language: str) -> str:
    """Return a text with symbols read out, without space at its ends."""
    for symbol, word in zip(SYMBOLS, SYMBOL_WORDS[language].split("/"), strict=True):
        text = text.replace(symbol, f" {word} ").replace("  ", " ")
    return text.strip()


def _numbers_in_words(text: str, language: str) -> str:
    """Return a text with numbers read out; as it was where the library cannot read one."""
    if language == "zh":
        return _chinese_numbers(text)
    if not re.search("[0-9]", text) or language == "cs":  # published: Czech is asked for under a name that is none
        return text
    try:
        return _expanded(text, language)
    except _REFUSALS:
        return text


def _expanded(text: str, language: str) -> str:
    """Return a text with separators of thousands taken out, then money, decimals, ordinals and numbers in words."""
    words = _num2words()
    if language in ("en", "ru"):
        text = re.sub(r"\b\d{1,3}(,\d{3})*(\.\d+)?\b", lambda m: m[0].replace(",", ""), text)
    else:  # the bare full stop is published so
        text = re.sub(r"\b\d{1,3}(.\d{3})*(\,\d+)?\b", lambda m: m[0].replace(".", ""), text)
    for currency, pattern in _MONEY:
        text = re.sub(pattern, partial(_money, language=language, currency=currency), text)
    if language != "tr":
        text = re.sub(r"([0-9]+[.,][0-9]+)", lambda m: str(words(float(m[1].replace(",", ".")), lang=language)), text)
    ordinal = rf"([0-9]+)({ORDINALS[language]})"
    text = re.sub(ordinal, lambda m: str(words(int(m[1]), ordinal=True, lang=language)), text)
    return re.sub(r"[0-9]+", lambda m: str(words(int(m[0]), lang=language)), text)


def _money(found: re.Match[str], language: str, currency: str) -> str:
    """Return an amount in words; whole amounts without their hundredth part."""
    amount = float(re.sub(r"[^\d.]", "", found[0].replace(",", ".")))
    said = str(_num2words()(amount, to="currency", currency=currency, lang=language))
    return said.rpartition(MONEY_JOINTS[language])[0] or said if amount.is_integer() else said


def _chinese_numbers(text: str) -> str:
    """Return a text in half-width forms with years read digit by digit and other numbers in Chinese."""
    text = _WIDE.sub(lambda m: chr(ord(m[0]) - _WIDE_OFFSET), text)
    text = re.sub(r"(\d{4})(?=年)", lambda m: "".join(_DIGITS[int(digit)] for digit in m[1]), text)
    text = re.sub(r"(\d+(?:\.\d+)?)%", lambda m: "百分之" + _chinese(m[1]), text)
    return re.sub(r"\d+(?:\.\d+)?", lambda m: _chinese(m[0]), text)


def _chinese(number: str) -> str:
    """Return a decimal number in Chinese; of more than eight digits each is read for itself."""
    whole, _, part = number.partition(".")
    read = "".join(_DIGITS[int(digit)] for digit in whole) if len(whole) > 8 else _chinese_integer(int(whole))
    return read + ("点" + "".join(_DIGITS[int(digit)] for digit in part) if part else "")


def _chinese_integer(number: int) -> str:
    """Return a number below 10^8 in Chinese."""
    if number >= 10_000:
        rest = number % 10_000
        gap = "零" if 0 < rest < 1000 else ""
        return _chinese_integer(number // 10_000) + "万" + gap + (_chinese_integer(rest) if rest else "")
    digits = str(number)
    spelled = "".join(
        _DIGITS[int(digit)] + (_PLACES[len(digits) - place - 1] if digit != "0" else "")
        for place, digit in enumerate(digits)
    )
    spelled = re.sub("零+", "零", spelled)
    spelled = spelled.rstrip("零") or "零"
    return spelled.removeprefix("一") if 10 <= number < 20 else spelled


def _pinyin(text: str) -> str:
    """Return Chinese in syllables with a digit for the tone (5: neutral), not separated; all else as it is."""
    from pypinyin import Style, pinyin

    syllables = pinyin(text, style=Style.TONE3, heteronym=False, neutral_tone_with_five=True)
    return "".join(syllable for (syllable, *_) in syllables)


def _romanised(text: str) -> str:
    """Return Korean in Latin letters (academic rule)."""
    hangul = _extra("hangul_romanize")
    rule = _extra("hangul_romanize.rule")
    said: str = hangul.Transliter(rule.academic).translit(text)
    return said


def _romaji(text: str) -> str:
    """Return Japanese in Latin letters (Hepburn)."""
    said: str = _katsu().romaji(text)
    return said


@cache
def _katsu() -> Any:
    """Return what romanises Japanese; it reads a dictionary of 250 MB once."""
    return _extra("cutlet").Cutlet()


def _num2words() -> Callable[..., object]:
    """Return what says numbers in words."""
    words: Callable[..., object] = _extra("num2words").num2words
    return words


def _extra(module: str) -> Any:
    """Return a module of the extra ``v1``.

    Raises:
        MissingDependency: If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as cause:
        raise MissingDependency("lyrics.no_extra", module=module.partition(".")[0]) from cause

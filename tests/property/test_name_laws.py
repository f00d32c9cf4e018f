"""Whatever a song is called, its new name is safe and no other file's, by the rules of Linux and of Windows."""

from __future__ import annotations

import hashlib
import re

from hypothesis import given, settings
from hypothesis import strategies as st

from acetune.data.names import free_name, safe_stem

_ANY = st.text(st.characters(), max_size=80)
_LIKELY = st.text(st.sampled_from("abcABC CON.aux_-12é北京にほ\u0301/\\:\0"), max_size=80)
_SUFFIXES = st.sampled_from([".mp3", ".WAV", ".flac", ".aiff", ".opus"])
_SAFE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_WINDOWS_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[1-9]|lpt[1-9])(\..*)?", re.IGNORECASE)


def sha_of(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()


@given(_ANY | _LIKELY, _SUFFIXES)
@settings(max_examples=300)
def test_a_name_is_safe(name: str, suffix: str) -> None:
    new = free_name(safe_stem(name, sha_of(name)), suffix, sha_of(name), set())

    assert _SAFE.fullmatch(new)
    assert len(new) <= 64
    assert not _WINDOWS_DEVICE.fullmatch(new)


@given(_ANY | _LIKELY)
@settings(max_examples=300)
def test_a_safe_name_stays(name: str) -> None:
    stem = safe_stem(name, sha_of(name))

    assert safe_stem(stem, sha_of(name)) == stem


@given(st.lists(st.tuples(_ANY | _LIKELY | st.sampled_from(["x", "X", "北京", "beijing"]), _SUFFIXES), max_size=30))
def test_no_two_files_share_a_stem_in_any_case(songs: list[tuple[str, str]]) -> None:
    taken: set[str] = set()
    for number, (name, suffix) in enumerate(songs):
        sha = sha_of(f"{number} {name}")
        new = free_name(safe_stem(name, sha), suffix, sha, taken)
        taken.add(new.rpartition(".")[0].casefold())

    assert len(taken) == len(songs)

"""What docs/annotators.md shows is true: its source of lyrics works, and it names everybody who listens."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from acetune import catalog
from acetune.annotation.checkpoints import PUBLISHED
from acetune.audio.files import write
from acetune.data.manifest import load
from acetune.data.redaction import redacted
from acetune.data.scan import scan
from acetune.data.track import Source
from talker import Answer, talking

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "annotators.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)


def answer(asked):
    return Answer(200, "la la\nli li\n\nlo lo") if "title=Stone" in asked.path else Answer(404)


@pytest.fixture
def annotated(tmp_path, monkeypatch):
    """A data set of two songs after the guide's code ran on it."""
    (tmp_path / "my_lyrics.py").write_text(PYTHON[0], encoding="utf-8")
    for name in ("An Artist - Stone", "An Artist - Other"):
        write(tmp_path / "songs" / f"{name}.wav", 0.1 * np.ones((8000, 1), np.float32), 8000)
    scan(tmp_path / "songs")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(catalog.ANNOTATORS, "my-lyrics", "")
    monkeypatch.delitem(sys.modules, "my_lyrics", raising=False)
    with talking(answer) as talker:
        exec(PYTHON[1].replace("http://127.0.0.1:9000", talker.address), {})
    return {track.path.removesuffix(".wav"): track for track in load(tmp_path / "songs").tracks}


def test_the_guide_s_own_source_of_lyrics_works(annotated):
    track = annotated["An Artist - Stone"]

    assert track.lyrics == "[Verse 1]\nla la\nli li\n\n[Verse 2]\nlo lo"
    assert track.source_of("lyrics") is Source.FILE
    assert annotated["An Artist - Other"].lyrics is None


def test_what_it_found_stays_on_this_machine(annotated):
    left, staying = redacted(annotated["An Artist - Stone"], include_private=True)

    assert left.lyrics is None
    assert "lyrics" in staying


def test_the_guide_names_everybody_who_listens():
    first = GUIDE.split("## ")[0]
    named = {word for row in re.findall(r"^\| ([a-z, -]+) \|", first, re.MULTILINE) for word in row.split(", ")}

    assert set(catalog.names("annotator")) <= named


@pytest.mark.parametrize("name", sorted(set(PUBLISHED) - {"vocals", "codes"}))
def test_the_guide_gives_model_licence_and_size(name):
    known = PUBLISHED[name]
    (row,) = re.findall(rf"^\| {name} \| .*$", GUIDE, re.MULTILINE)
    size = f"{known.size_bytes / 1e9:.1f} GB" if known.size_bytes < 1e10 else f"{known.size_bytes / 1e9:.0f} GB"

    assert known.repository in row
    assert known.licence in row
    assert size in row

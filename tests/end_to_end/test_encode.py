"""Encoding: once, resumable, and honest about what was left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from probing import Recipes, collector

import acetune
from acetune.data import manifest as manifests
from acetune.errors import CorruptFile, DataError, MissingDependency, SettingError, Stopped
from acetune.events import Job, Noticed, Progress
from acetune.recipe import resolve
from world import QUICK, tone


def recipe_of(folder: Path, **changes: object) -> object:
    return resolve([("test", {**QUICK, "data.dataset": str(folder), **changes})]).recipe


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two scanned songs of one's own."""
    folder = tmp_path / "two"
    for name in ("a", "b"):
        tone(folder / f"{name}.wav", 2.0, seed=ord(name))
        (folder / f"{name}.caption.txt").write_text(f"caption {name}")
    acetune.scan(folder)
    return folder


def test_the_second_time_nothing_is_encoded(two: Path, tmp_path: Path, models: Path) -> None:
    home = _own_home(tmp_path, models)

    first = acetune.encode(recipe_of(two), home=home)
    second = acetune.encode(recipe_of(two), home=home)

    assert (first.encoded, first.reused) == (6, 0)  # two songs, two captions, the same empty lyrics, constants
    assert (second.encoded, second.bytes) == (0, 0)


def test_a_changed_caption_encodes_one_text_and_no_audio(two: Path, tmp_path: Path, models: Path) -> None:
    home = _own_home(tmp_path, models)
    acetune.encode(recipe_of(two), home=home)
    (two / "b.caption.txt").write_text("another caption")
    acetune.scan(two)
    before = {path: path.read_bytes() for path in (home / "cache").rglob("*.safetensors")}

    result = acetune.encode(recipe_of(two), home=home)

    new = [path for path in (home / "cache").rglob("*.safetensors") if path not in before]
    assert result.encoded == 1
    assert [path.parts[-3] for path in new] == ["text"]
    assert all(path.read_bytes() == data for path, data in before.items())


def test_every_text_that_a_visit_may_draw_is_encoded_once(two: Path, tmp_path: Path, models: Path) -> None:
    home = _own_home(tmp_path, models)
    (two / "b.json").write_text('{"tags": ["piano", "slow", "night"], "genre": "jazz"}')
    acetune.scan(two)
    mixed = {"data.tag_shuffle": True, "data.genre_share": 0.2}
    acetune.encode(recipe_of(two), home=home)

    more = acetune.encode(recipe_of(two, **mixed), home=home)
    again = acetune.encode(recipe_of(two, **mixed, **{"data.seed": 7}), home=home)

    assert 3 <= more.encoded <= 7  # the genre and the six orders of three tags, as far as eight draws find them
    assert again.encoded == 0


def test_equal_inputs_give_equal_bytes(two: Path, tmp_path: Path, models: Path) -> None:
    homes = [_own_home(tmp_path, models, name) for name in ("one", "two-homes")]
    for home in homes:
        acetune.encode(recipe_of(two), home=home)

    one, other = ({p.name: p.read_bytes() for p in (h / "cache").rglob("*.safetensors")} for h in homes)
    assert one == other and len(one) == 6


def test_stopping_keeps_what_is_done(two: Path, tmp_path: Path, models: Path) -> None:
    home = _own_home(tmp_path, models)
    seen: list[int] = []
    job = Job(lambda e: seen.append(e.done) if isinstance(e, Progress) else None, lambda: bool(seen))

    with pytest.raises(Stopped):
        acetune.encode(recipe_of(two), home=home, job=job)
    result = acetune.encode(recipe_of(two), home=home)

    assert (result.encoded, result.reused) == (5, 1)


def test_a_silent_and_a_broken_song_are_left_out_with_their_reasons(two: Path, home: Path) -> None:
    from acetune.audio import files

    files.write(two / "silent.wav", np.zeros((96_000, 2), np.float32))
    tone(two / "gone.wav", 2.0)
    acetune.scan(two)
    (two / "gone.wav").unlink()
    job, events = collector()

    result = acetune.encode(recipe_of(two), home=home, job=job)

    assert {s.path: s.code.partition(".")[0] for s in result.skipped} == {"silent.wav": "encoding", "gone.wav": "audio"}
    assert {e.subject for e in events if isinstance(e, Noticed)} >= {"silent.wav", "gone.wav"}


def test_when_no_song_is_left_that_is_an_error_with_the_reason(tmp_path: Path, home: Path) -> None:
    # Pain 19: 35 files found, 0 samples, finished in 5 seconds and reported success.
    from acetune.audio import files

    folder = tmp_path / "silent"
    folder.mkdir()
    files.write(folder / "a.wav", np.zeros((96_000, 2), np.float32))
    acetune.scan(folder)

    with pytest.raises(DataError, match="silent") as refused:
        acetune.encode(recipe_of(folder), home=home)

    assert refused.value.exit_code == 2


def test_long_songs_are_cut_at_the_limit(tmp_path: Path, home: Path) -> None:
    from safetensors.torch import load_file

    folder = tmp_path / "long"
    tone(folder / "a.flac", 700.0, rate_hz=8_000)
    acetune.scan(folder)
    own = _own_home(tmp_path, home / "models", "long-home")

    acetune.encode(recipe_of(folder, **{"data.max_seconds": 3.0}), home=own)

    (latents,) = (own / "cache" / "latents").rglob("*.safetensors")
    assert load_file(latents)["mean"].shape[0] == 75


def test_long_captions_are_said_to_be_cut(two: Path, home: Path) -> None:
    (two / "a.caption.txt").write_text("an endless caption about guitars, " * 60)
    acetune.scan(two)
    job, events = collector()

    acetune.encode(recipe_of(two), home=home, job=job)

    assert [e.code for e in events if isinstance(e, Noticed)] == ["encoding.long_caption"]


def test_a_damaged_cache_file_is_named_and_deleting_it_mends_it(two: Path, tmp_path: Path, models: Path) -> None:
    home = _own_home(tmp_path, models)
    acetune.encode(recipe_of(two), home=home)
    victim = next((home / "cache" / "latents").rglob("*.safetensors"))
    victim.write_bytes(victim.read_bytes()[:-10])

    with pytest.raises(CorruptFile) as refused:
        acetune.train(recipe_of(two), name="run", home=home)
    victim.unlink()
    acetune.train(recipe_of(two), name="run", on_existing="resume", home=home)

    assert victim.name in refused.value.message()


def test_a_folder_that_was_not_scanned_is_refused_with_the_command(tmp_path: Path, home: Path) -> None:
    with pytest.raises(DataError, match="acetune scan"):
        acetune.encode(recipe_of(tmp_path), home=home)


def test_no_data_set_is_refused(home: Path) -> None:
    with pytest.raises(SettingError):
        acetune.encode(resolve([("test", {"model.variant": "tiny"})]).recipe, home=home)


def test_missing_weights_offline_are_one_sentence_with_the_command(two: Path, home: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")

    with pytest.raises(MissingDependency) as refused:
        acetune.encode(recipe_of(two, **{"model.variant": "xl-sft"}), home=home)

    assert "acetune models get xl-sft" in str(refused.value) and refused.value.exit_code == 2


def test_legacy_lyrics_are_other_conditions(album: Path, home: Path, recipe: Recipes) -> None:
    template = acetune.encode(recipe(), home=home)
    legacy = acetune.encode(recipe(family__lyric_format="legacy_raw"), home=home)

    assert template.skipped == legacy.skipped == ()
    assert manifests.load(album).tracks[0].lyrics


def _own_home(tmp_path: Path, models: Path, name: str = "own") -> Path:
    """Return a workspace with a cache of its own."""
    home = tmp_path / name
    home.mkdir()
    (home / "models").symlink_to(models)
    return home

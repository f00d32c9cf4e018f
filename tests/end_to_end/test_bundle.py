"""A bundle repeats a run, and says nothing about the songs."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from probing import collector

import acetune
from acetune import catalog
from acetune.cli.main import main
from acetune.errors import DataError, MissingDependency, SettingError
from acetune.events import Noticed, StageStarted, StepDone
from acetune.generation.pieces import write_piece
from acetune.monitor.summary import summarise
from acetune.recipe import family_of, resolve
from acetune.run import Run
from acetune.sharing.bundle import bundle, read_bundle
from acetune.sharing.card import card
from acetune.sharing.demos import demos
from acetune.sharing.push import Release, push
from acetune.sharing.replay import _compared, replay
from acetune.sharing.rights import rights_of
from world import QUICK, make_home


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory, models: Path, cache: Path, album: Path) -> tuple[Path, Path]:
    """A workspace with a training of four steps, and its bundle."""
    home = make_home(tmp_path_factory.mktemp("bundled") / "home", models, cache)
    layer = {**QUICK, "data.dataset": str(album), "schedule.steps": 4}
    acetune.train(resolve([("test", layer)]).recipe, name="style", home=home)
    return home, bundle("style", out=home / "style.zip", home=home)


def test_a_replay_gives_the_same_losses_to_the_bit(bundled: tuple[Path, Path], album: Path) -> None:
    home, path = bundled

    found = replay(path, album, steps=3, home=home)

    assert (found.steps, found.equal, found.largest) == (3, True, 0.0)


def test_a_bundle_holds_no_names_captions_lyrics_or_paths(bundled: tuple[Path, Path], album: Path) -> None:
    home, path = bundled

    with zipfile.ZipFile(path) as archive:
        text = "".join(archive.read(name).decode() for name in archive.namelist())

    assert "song0" not in text and "dreamy" not in text and "la la" not in text
    assert str(album) not in text and str(home) not in text


def test_a_bundle_says_what_repeats_the_run(bundled: tuple[Path, Path]) -> None:
    said = read_bundle(bundled[1])

    assert [step for step, _ in said.steps] == [1, 2, 3, 4] and len(said.songs) == 9
    assert {"torch", "peft", "acetune", "python"} <= said.versions.keys() and said.model and said.parts
    assert said.recipe["data"]["seed"] == 42 and said.threads == 1 and said.dtype == "float32"


@pytest.mark.slow
def test_another_seed_is_noticed(bundled: tuple[Path, Path], album: Path, tmp_path: Path) -> None:
    home, path = bundled
    changed = rewritten(path, tmp_path / "other.zip", lambda said: said["recipe"]["data"].update(seed=7))

    with pytest.raises(DataError) as refused:
        replay(changed, album, steps=1, home=home)

    assert refused.value.code in ("sharing.differs", "sharing.other_texts")


def test_other_songs_are_refused_before_anything_is_trained(bundled: tuple[Path, Path], trio: Path) -> None:
    with pytest.raises(DataError) as refused:
        replay(bundled[1], trio, home=bundled[0])

    assert refused.value.code == "sharing.other_songs"


def test_another_caption_is_noticed(bundled: tuple[Path, Path], album: Path, tmp_path: Path) -> None:
    shutil.copytree(album, tmp_path / "album")
    file = tmp_path / "album" / "metadata.jsonl"
    file.write_text(file.read_text().replace("style 3,", "style three,"))

    with pytest.raises(DataError) as refused:
        replay(bundled[1], tmp_path / "album", steps=1, home=bundled[0])

    assert refused.value.code == "sharing.other_texts"


@pytest.mark.slow
def test_other_versions_are_said(bundled: tuple[Path, Path], album: Path, tmp_path: Path) -> None:
    job, events = collector()
    older = rewritten(bundled[1], tmp_path / "older.zip", lambda said: said["versions"].update(torch="1.0"))

    replay(older, album, steps=1, home=bundled[0], job=job)

    assert "torch 1.0 -> " in next(e.message for e in events if isinstance(e, Noticed) and e.code == "sharing.versions")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"{}"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, album: Path, content: bytes) -> None:
    (tmp_path / "b.zip").write_bytes(content)

    with pytest.raises(DataError, match="no bundle"):
        read_bundle(tmp_path / "b.zip")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda said: said.update(steps=[]), id="no step"),
        pytest.param(lambda said: said.update(steps=[[1]]), id="a step without loss"),
        pytest.param(lambda said: said.update(steps=[[1, "low"]]), id="a loss in words"),
        pytest.param(lambda said: said.update(steps=[[1, float("nan")]]), id="a loss that is no number"),
        pytest.param(lambda said: said.update(name=5), id="a number for a name"),
        pytest.param(lambda said: said.update(recipe=[]), id="a list for a recipe"),
        pytest.param(lambda said: said.update(threads="1"), id="threads in words"),
        pytest.param(lambda said: said.update(removed="data"), id="a word for a list"),
        pytest.param(lambda said: said.update(versions={"torch": None}), id="no version"),
        pytest.param(lambda said: said.update(more=1), id="a field more"),
        pytest.param(lambda said: said.pop("model"), id="a field less"),
        pytest.param(lambda said: said.pop("version"), id="no version of its own"),
    ],
)
def test_a_bundle_with_a_wrong_field_is_refused_in_one_sentence(
    bundled: tuple[Path, Path], tmp_path: Path, change: object
) -> None:
    path = rewritten(bundled[1], tmp_path / "b.zip", change)

    with pytest.raises(DataError) as refused:
        read_bundle(path)

    assert refused.value.code == "sharing.bad_bundle" and "\n" not in refused.value.message()


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "nonsense", "\ud800".encode("utf-8", "surrogatepass")])
def test_a_bundle_of_other_json_is_refused(tmp_path: Path, text: str | bytes) -> None:
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr("bundle.json", text)

    with pytest.raises(DataError, match="no bundle"):
        read_bundle(tmp_path / "b.zip")


def test_a_bundle_that_cannot_be_unpacked_is_refused(bundled: tuple[Path, Path], tmp_path: Path) -> None:
    content = bytearray(bundled[1].read_bytes())
    content[60:100] = b"\xff" * 40
    (tmp_path / "b.zip").write_bytes(content)

    with pytest.raises(DataError, match="no bundle"):
        read_bundle(tmp_path / "b.zip")


def test_a_bundle_of_a_newer_acetune_is_told_from_a_damaged_one(bundled: tuple[Path, Path], tmp_path: Path) -> None:
    path = rewritten(bundled[1], tmp_path / "b.zip", lambda said: said.update(version=2, unheard="of"))

    with pytest.raises(SettingError) as refused:
        read_bundle(path)

    assert refused.value.code == "sharing.newer_bundle"


@pytest.mark.parametrize("heard", [[], [StepDone(step=1, loss=float("nan"), grad_norm=1.0, lr=1.0, seconds=1.0)]])
def test_a_loss_that_is_no_number_is_not_equal(bundled: tuple[Path, Path], heard: list[StepDone]) -> None:
    said, run = read_bundle(bundled[1]), Run(bundled[0] / "runs" / "style")

    with pytest.raises(DataError) as refused:
        _compared(said, run, said.steps[:1], heard)

    assert refused.value.code == "sharing.differs"


def test_an_extended_run_has_no_bundle_and_is_published_without(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    run = elsewhere(bundled[0], album, tmp_path)
    Run(run).append_event(StageStarted(stage="train", total=8, unit="steps", resumed_from=2))
    Run(run).append_event(StepDone(step=3, loss=1.0, grad_norm=1.0, lr=1.0, seconds=1.0))
    job, events = collector()

    with pytest.raises(SettingError, match="planned as 4, 8 in turn"):
        bundle(run, out=tmp_path / "b.zip", home=bundled[0])
    found = push(run, "me/style", dry_run=True, home=bundled[0], job=job)

    assert not (tmp_path / "b.zip").exists() and "bundle.zip" not in found.files
    assert "replay" not in (found.folder / "README.md").read_text()
    assert "sharing.extended" in [e.code for e in events if isinstance(e, Noticed)]


def test_a_run_that_only_stopped_and_went_on_has_a_bundle(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    run = elsewhere(bundled[0], album, tmp_path)
    Run(run).append_event(StageStarted(stage="train", total=8, unit="steps", resumed_from=4))
    Run(run).append_event(StageStarted(stage="train", total=4, unit="steps", resumed_from=2))
    Run(run).append_event(StepDone(step=3, loss=1.0, grad_norm=1.0, lr=1.0, seconds=1.0))

    assert len(read_bundle(bundle(run, out=tmp_path / "b.zip", home=bundled[0])).steps) == 3


def test_a_starting_point_that_lay_elsewhere_is_asked_for(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    path = rewritten(bundled[1], tmp_path / "b.zip", lambda said: said["removed"].append("adapter.start"))

    with pytest.raises(SettingError, match=r"adapter\.start"):
        replay(path, album, home=bundled[0])


@pytest.mark.slow
def test_the_commands_write_and_replay(
    bundled: tuple[Path, Path], album: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    home, path = bundled

    assert main(["--home", str(home), "runs", "replay", str(path), str(album), "--first", "1"]) == 0
    assert "to the bit" in capsys.readouterr().out


def test_a_dry_run_writes_what_would_leave_and_nothing_private(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    home, _ = bundled
    (piece,) = acetune.generate(
        acetune.Request(caption="dreamy", seconds=1.0, device="cpu", out=tmp_path / "my song.flac"), home=home
    )

    found = push("style", "me/style", Release("cc-by-4.0", (piece,)), dry_run=True, home=home)

    text = (found.folder / "README.md").read_text()
    with zipfile.ZipFile(found.folder / "bundle.zip") as archive:
        inside = [archive.read(entry) for entry in archive.namelist()]
    leaving = b"".join([*inside, *(file.read_bytes() for file in found.folder.iterdir())])
    words = ["song0", "dreamy", "la la", "oh oh", "ambient", str(album), str(home), str(tmp_path), "my song"]

    assert [word for word in words if word.encode() in leaving] == []
    assert found.files == ("README.md", "audio-1.flac", "bundle.zip", "style_final.safetensors")
    assert "license: cc-by-4.0" in text and "pipeline_tag: text-to-audio" in text and "Verdict: **" in text
    assert "song0" not in text and "dreamy" not in text and str(album) not in text and "my song" not in text


def test_a_run_with_a_song_that_somebody_refused_is_not_published(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    run = elsewhere(bundled[0], album, tmp_path)
    catalog.resolve("data", "edit")(tmp_path / "album", "set", "consent", "no", tracks=["song1*"])

    with pytest.raises(DataError) as refused:
        push(run, "me/style", dry_run=True, home=bundled[0])

    assert refused.value.code == "sharing.refused" and not (run / "hub").exists()


def test_a_run_remembers_its_data_set_from_the_root_on(
    album: Path, tmp_path: Path, models: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home", models, cache)
    monkeypatch.chdir(album.parent)
    layer = {**QUICK, "data.dataset": album.name, "schedule.steps": 1}
    result = acetune.train(resolve([("test", layer)]).recipe, name="near", home=home)

    assert Run(result.folder).recipe.data.dataset == str(album)


def test_a_release_whose_songs_are_gone_says_that_nobody_knows(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    run = elsewhere(bundled[0], album, tmp_path)
    (tmp_path / "album").rename(tmp_path / "away")
    job, events = collector()
    push(run, "me/style", dry_run=True, home=bundled[0], job=job)

    assert [e.code for e in events if isinstance(e, Noticed)] == ["sharing.rights_unseen"]


def test_audio_that_is_not_generated_does_not_leave(bundled: tuple[Path, Path], album: Path) -> None:
    release = Release(audio=(album / "song0.flac",))

    with pytest.raises(DataError, match="does not say that acetune generated it"):
        push("style", "me/style", release, dry_run=True, home=bundled[0])


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.ogg"])
@pytest.mark.parametrize("word", ["caption", "lyrics"])
def test_a_piece_that_holds_words_does_not_leave(tmp_path: Path, name: str, word: str) -> None:
    write_piece(tmp_path / name, np.zeros((4800, 2), np.float32), 0.1, {"seed": 3, word: "zebra"})

    with pytest.raises(DataError) as refused:
        demos([tmp_path / name])

    assert refused.value.code == "sharing.words_inside" and word in refused.value.message()


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.ogg"])
def test_a_piece_that_another_program_gave_a_title_does_not_leave(tmp_path: Path, name: str) -> None:
    with soundfile.SoundFile(tmp_path / name, "w", 48_000, 2) as sound:
        sound.title, sound.comment = "zebra", '{"ai_generated": true}'
        sound.write(np.zeros((4800, 2)))

    with pytest.raises(DataError) as refused:
        demos([tmp_path / name])

    assert refused.value.code == "sharing.words_inside" and "title" in refused.value.message()


@pytest.mark.parametrize("name", ["a.flac", "a.wav", "a.mp3", "a.ogg"])
def test_a_piece_as_it_was_generated_leaves(tmp_path: Path, name: str) -> None:
    write_piece(tmp_path / name, np.zeros((4800, 2), np.float32), 0.1, {"seed": 3})

    assert demos([tmp_path / name]) == {f"audio-1{Path(name).suffix}": tmp_path / name}


@pytest.mark.parametrize("name", ["style", "me/a/b", "me/a--b", "me/a.git", "中/a", "me/" + "a" * 97])
def test_what_the_hub_would_refuse_as_a_name_is_refused_before_anything_is_written(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path, name: str
) -> None:
    run = elsewhere(bundled[0], album, tmp_path)

    with pytest.raises(SettingError) as refused:
        push(run, name, dry_run=True, home=bundled[0])

    assert refused.value.code == "sharing.bad_repository" and not (run / "hub").exists()


def test_a_card_recommends_nothing_where_nobody_asked(bundled: tuple[Path, Path], album: Path, tmp_path: Path) -> None:
    run = Run(elsewhere(bundled[0], album, tmp_path))
    (run.evaluation / "strengths.json").unlink()
    text = card_text(run, bundled[0])

    assert "strength: 1.0 (as it was trained;" in text and "recommended" not in text


def test_a_card_has_the_strength_that_held_out_music_recommends(
    bundled: tuple[Path, Path], album: Path, tmp_path: Path
) -> None:
    run = Run(elsewhere(bundled[0], album, tmp_path))
    (run.evaluation / "strengths.json").write_text('{"step": 4, "recommended": 0.7}')

    assert "strength: 0.7 (recommended by held-out music;" in card_text(run, bundled[0])


def test_a_card_names_diffusers_only_for_what_it_loads(bundled: tuple[Path, Path], album: Path, tmp_path: Path) -> None:
    home, _ = bundled
    layer = {**QUICK, "data.dataset": str(album), "schedule.steps": 1, "adapter.kind": "lokr"}
    result = acetune.train(resolve([("test", layer)]).recipe, name="lokr", home=home)

    assert "library_name: diffusers" in card_text(Run(home / "runs" / "style"), home)
    assert "library_name" not in card_text(Run(result.folder), home)


@pytest.mark.parametrize(("path", "named"), [(None, True), ("/my/weights", False)])
def test_a_card_names_the_published_network_only_where_it_was_that(
    bundled: tuple[Path, Path], path: str | None, named: bool
) -> None:
    summary = summarise(Run(bundled[0] / "runs" / "style"))
    recipe = resolve([("test", {"model.variant": "turbo", "model.path": path})]).recipe
    _, variant = family_of("turbo")
    text = card(replace(summary, recipe=recipe), variant, rights_of(summary.run), None, {})

    assert ("base_model:" in text) is named and ("weights from a folder of the author" in text) is not named
    assert "/my/weights" not in text


def test_nothing_is_sent_from_a_machine_that_is_told_to_be_offline(bundled: tuple[Path, Path]) -> None:
    with pytest.raises(MissingDependency) as refused:
        push("style", "me/style", home=bundled[0])

    assert refused.value.code == "sharing.offline"


def card_text(run: Run, home: Path) -> str:
    """Return the card that a run is published with."""
    return (push(run.folder, "me/style", dry_run=True, home=home).folder / "README.md").read_text()


def elsewhere(home: Path, album: Path, folder: Path) -> Path:
    """Copy a run and its songs, so that rights can be changed."""
    shutil.copytree(album, folder / "album")
    shutil.copytree(home / "runs" / "style", folder / "style", ignore=shutil.ignore_patterns("hub"))
    file = folder / "style" / "recipe.yaml"
    file.write_text(file.read_text().replace(str(album), str(folder / "album")))
    return folder / "style"


def rewritten(path: Path, target: Path, change: object) -> Path:
    """Write a bundle that says something else."""
    with zipfile.ZipFile(path) as archive:
        said = json.loads(archive.read("bundle.json"))
    change(said)
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("bundle.json", json.dumps(said))
    return target

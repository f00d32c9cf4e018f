"""Songs that other trainers encoded train like our own, and nothing unsound of them reaches the network."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from probing import collector, losses
from safetensors.torch import load_file
from torch import Tensor

import acetune
from acetune.cli.main import main
from acetune.data import manifest as manifests
from acetune.data.manifest import Manifest
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet, encode_set
from acetune.encoding.import_tensors import ImportedTensors, import_tensors
from acetune.errors import DataError, NotWritable, SettingError, Stopped
from acetune.events import Event, Job, Noticed, Progress, Validated
from acetune.families.acestep_v15.family import AceStepV15
from acetune.families.conditioner import Conditioner
from acetune.recipe import Recipe, family_of, resolve
from acetune.run import Run
from foreign_writer import LAYOUTS, Encoders, song, write
from world import QUICK, make_home, tone

pytestmark = pytest.mark.slow

VARIANT = "tiny-base"
LEGACY = {"family.lyric_format": "legacy_raw"}
Zoo = tuple[Path, ImportedTensors, dict[str, str]]


def recipe_of(folder: Path, **changes: object) -> Recipe:
    settings = {"model.variant": VARIANT, "data.dataset": str(folder), "data.latents": "mean", "data.tags_share": 0.0}
    return resolve([("test", {**QUICK, **settings, **changes})]).recipe


@pytest.fixture(scope="module")
def place(models: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace for all tests of this file."""
    return make_home(tmp_path_factory.mktemp("place") / "home", models, cache)


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight short songs, four of them marked for validation."""
    folder = tmp_path_factory.mktemp("songs")
    for number in range(8):
        tone(folder / f"song{number}.flac", (32 + 3 * number) / 25, seed=40 + number)  # whole frames
        (folder / f"song{number}.caption.txt").write_text(f"style {number}, synth")
        if number % 2 == 0:
            (folder / f"song{number}.lyrics.txt").write_text(f"[verse]\nla la {number}\n[chorus]\noh oh oh\n")
    (folder / "song0.json").write_text('{"language": "en", "bpm": 98.5, "keyscale": "a minor", "timesignature": "3/4"}')
    acetune.scan(folder)
    mark(folder)
    return folder


def mark(folder: Path) -> None:
    """Hold the first four songs of a data set out."""

    def change(manifest: Manifest | None) -> Manifest:
        assert manifest is not None
        tracks = [replace(t, split="validation" if i < 4 else "train") for i, t in enumerate(manifest.tracks)]
        return replace(manifest, tracks=tuple(tracks))

    manifests.update(folder, change)


def encoded(recipe: Recipe, place: Path, job: Job | None = None) -> tuple[AceStepV15, EncodedSet]:
    """Return the family of a recipe, and its data set with every part in the cache."""
    family = family_of(recipe.model.variant)[0].open(recipe, place / "models", Job())
    manifest = manifests.load(Path(recipe.data.dataset))
    return family, encode_set(manifest, recipe, family, Cache(place / "cache"), job or Job())[0]


@pytest.fixture(scope="module")
def contents(songs: Path, place: Path) -> dict[str, dict[str, dict[str, object]]]:
    """What each trainer makes of the songs (all but one only of the first two), by trainer and stem."""
    family, native = encoded(recipe_of(songs, **LEGACY), place)
    encoders = Encoders.of(family)
    latents = {p.track.path: native.cache.read("latents", p.latents)["mean"] for p in native.parts}
    return {
        trainer: {
            Path(p.track.path).stem: song(encoders, p, latents[p.track.path], layout)
            for p in (native.parts if trainer == "official" else native.parts[:2])
        }
        for trainer, layout in LAYOUTS.items()
    }


@pytest.fixture(scope="module")
def tensors(contents: dict[str, dict[str, dict[str, object]]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the official trainer leaves."""
    folder = tmp_path_factory.mktemp("tensors")
    write(folder, contents["official"], "official")
    return folder


@pytest.fixture(scope="module")
def official(tensors: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set that is made of it."""
    dest = tmp_path_factory.mktemp("imported") / "official"
    import_tensors(tensors, dest)
    mark(dest)
    return dest


def test_imported_songs_train_and_validate_like_our_own(songs: Path, official: Path, place: Path) -> None:
    # Padded to 769 rows, raw lyrics, a clip of zeros as reference; half of the crops without conditions.
    changes = {"objective.condition_dropout": 0.5, "optim.lr": 1e-4}
    own, imported = recipe_of(songs, **LEGACY, **changes), recipe_of(official, **changes)

    runs = [acetune.train(recipe, name=name, home=place).folder for name, recipe in (("own", own), ("new", imported))]

    assert losses(runs[1]) == pytest.approx(losses(runs[0]), rel=1e-5)
    assert held_out(runs[1]) == pytest.approx(held_out(runs[0]), rel=1e-5)
    assert acetune.plan(imported) == replace(acetune.plan(own), minutes_of_music=pytest.approx(7.76 / 60))


def held_out(run: Path) -> list[float]:
    """Return the held-out losses of a run, of the base network and of the adapter."""
    events = [event for event in Run(run).history() if isinstance(event, Validated)]
    return [loss for event in events for loss in (event.base_loss, event.loss)]


def test_what_the_trainer_knew_of_a_song_is_in_the_manifest(official: Path, songs: Path) -> None:
    names = ("caption", "lyrics", "language", "bpm", "keyscale", "timesignature")
    own, imported = (manifests.load(folder).tracks for folder in (songs, official))

    assert [[getattr(t, n) for n in names] for t in imported] == [[getattr(t, n) for n in names] for t in own]
    assert [t.instrumental for t in imported] == [not t.lyrics for t in own]
    assert [t.path for t in imported] == [t.path.replace(".flac", ".safetensors") for t in own]
    assert [t.seconds for t in imported] == [pytest.approx(t.seconds, abs=0.04) for t in own]
    assert imported[0].extra == {"original_name": "song0.flac", "encoded_by": "official"}


def parts_of(encoded_set: EncodedSet) -> dict[str, list[Tensor]]:
    """Return text and lyrics of a data set, track by track."""
    read = encoded_set.cache.read
    return {
        "text": [read("text", p.texts["caption"])["tokens"] for p in encoded_set.parts],
        "lyrics": [read("lyrics", p.lyrics_name(p.prompts["caption"].lyrics))["tokens"] for p in encoded_set.parts],
    }


def own_parts(encoded_set: EncodedSet, conditioner: Conditioner) -> dict[str, list[Tensor]]:
    """Return text and lyrics as they are encoded from the words."""
    prompts = [p.prompts["caption"] for p in encoded_set.parts]
    return {
        "text": [conditioner.text(prompt)["tokens"] for prompt in prompts],
        "lyrics": [conditioner.lyrics(prompt)["tokens"] for prompt in prompts],
    }


def furthest(one: list[Tensor], other: list[Tensor]) -> float:
    """Return the largest difference of tensors, as a share of the largest value; infinite for other shapes."""
    if [t.shape for t in one] != [t.shape for t in other]:
        return float("inf")
    return max(
        float((a.float() - b.float()).abs().max() / b.float().abs().max()) for a, b in zip(one, other, strict=True)
    )


def notices(events: list[Event]) -> dict[str, str]:
    """Return the sentences that were said, by code."""
    return {event.code: event.message for event in events if isinstance(event, Noticed)}


@pytest.fixture(scope="module")
def all_trainers(
    contents: dict[str, dict[str, dict[str, object]]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, ImportedTensors]:
    """Two songs of each trainer in one folder, and the data set that is made of it."""
    folder = tmp_path_factory.mktemp("trainers")
    for trainer in ("official-new", "side-step", "sn", "fl"):
        for stem, content in contents[trainer].items():
            named = {**content["metadata"], "filename": f"{trainer}-{stem}.mp3"}  # type: ignore[dict-item]
            torch.save({**content, "metadata": named}, folder / f"{trainer}-{stem}.pt")
    dest = tmp_path_factory.mktemp("imported") / "all"
    return dest, import_tensors(folder, dest)


@pytest.mark.parametrize(
    ("trainer", "tolerance"), [("official-new", 1e-5), ("side-step", 1e-2), ("sn", 1e-5), ("fl", 1e-5)]
)
def test_every_trainer_gives_the_parts_that_our_own_pipeline_makes(
    all_trainers: tuple[Path, ImportedTensors], songs: Path, place: Path, trainer: str, tolerance: float
) -> None:
    _, imported = encoded(recipe_of(all_trainers[0]), place)
    family, native = encoded(recipe_of(songs, **LEGACY), place)
    if not LAYOUTS[trainer].old_lyrics:
        family = replace(family, section=family.section.model_copy(update={"lyric_format": "template"}))
    chosen = replace(imported, parts=tuple(p for p in imported.parts if p.track.path.startswith(trainer)))
    conditioner = family.load_conditioner(torch.device("cpu"))
    kept, own = parts_of(chosen), own_parts(replace(native, parts=native.parts[:2]), conditioner)

    assert [p.track.extra["encoded_by"] for p in chosen.parts] == [trainer.removesuffix("-new")] * 2
    assert furthest(kept["text"], own["text"]) < tolerance
    assert furthest(kept["lyrics"], own["lyrics"]) < tolerance


def test_conditions_of_the_same_checkpoint_are_kept(official: Path, songs: Path, place: Path, tmp_path: Path) -> None:
    job, events = collector()
    (tmp_path / "cache").mkdir()
    own_place = make_home(tmp_path / "own", place / "models", tmp_path / "cache")
    _, imported = encoded(recipe_of(official), own_place, job)
    _, native = encoded(recipe_of(songs, **LEGACY), place)

    assert furthest(parts_of(imported)["lyrics"], parts_of(native)["lyrics"]) < 1e-5
    assert notices(events).keys() == {"tensors.same_checkpoint"}


def test_conditions_of_another_checkpoint_are_encoded_anew(official: Path, place: Path) -> None:
    # XL and 2B have conditions of equal width that mean different things.
    job, events = collector()
    family, imported = encoded(recipe_of(official, **{"model.variant": "tiny-xl"}), place, job)
    own = own_parts(imported, family.load_conditioner(torch.device("cpu")))

    assert furthest(parts_of(imported)["text"], own["text"]) == 0
    assert furthest(parts_of(imported)["lyrics"], own["lyrics"]) == 0
    assert "8 encoded songs are not of the checkpoint" in notices(events)["tensors.other_checkpoint"]


def test_a_changed_caption_is_encoded_anew_and_the_lyrics_are_kept(official: Path, place: Path, tmp_path: Path) -> None:
    edited = tmp_path / "edited"
    shutil.copytree(official, edited)
    text = (edited / "metadata.jsonl").read_text()
    (edited / "metadata.jsonl").write_text(text.replace("style 0, synth", "style 0, harp"))
    before = parts_of(encoded(recipe_of(official), place)[1])
    job, events = collector()

    after = parts_of(encoded(recipe_of(edited), place, job)[1])

    assert furthest(after["lyrics"], before["lyrics"]) == 0
    assert furthest(after["text"][1:], before["text"][1:]) == 0
    assert furthest(after["text"][:1], before["text"][:1]) > 0.01
    assert notices(events)["tensors.other_text"].startswith("The text of 1 encoded songs")


def test_the_command_imports_and_can_have_the_text_encoded_anew(
    tensors: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dest = tmp_path / "dest"
    code = main(["data", "import-tensors", str(tensors), str(dest), "--conditions", "anew"])
    lines = capsys.readouterr().out.splitlines()
    family, imported = encoded(recipe_of(dest), place)
    own = own_parts(imported, family.load_conditioner(torch.device("cpu")))

    assert code == 0
    assert lines == [
        "Encoded songs imported: 8 (0:14), there already: 0, files left out: 0.",
        f'Next: acetune train "{dest}"',
    ]
    assert furthest(parts_of(imported)["lyrics"], own["lyrics"]) == 0


def test_a_file_that_is_gone_or_another_is_left_out_with_its_reason(
    official: Path, place: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(official, folder)
    (folder / "song6.safetensors").unlink()
    (folder / "song7.safetensors").write_bytes(b"something else")
    (tmp_path / "cache").mkdir()
    own = make_home(tmp_path / "own", place / "models", tmp_path / "cache")

    done = acetune.encode(recipe_of(folder), home=own)

    assert {s.path: s.code for s in done.skipped} == {
        "song7.safetensors": "tensors.changed",
        "song6.safetensors": "tensors.unreadable",
    }


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture(scope="module")
def zoo(tensors: Path, trio: Path, tmp_path_factory: pytest.TempPathFactory) -> Zoo:
    """Everything that can be wrong with a file, its import into a data set of three songs, and what was said."""
    folder, dest = tmp_path_factory.mktemp("zoo"), tmp_path_factory.mktemp("from-zoo") / "dest"
    shutil.copytree(trio, dest)
    whole = torch.load(tensors / "00000000.pt", weights_only=True)
    music, rows = whole["target_latents"], whole["encoder_attention_mask"]
    padded, valid = (whole["encoder_hidden_states"].clone() for _ in range(2))
    padded[~rows], valid[3] = float("nan"), float("nan")
    changes: dict[str, dict[str, object]] = {
        "song0": {},
        "nan-in-padding": {"encoder_hidden_states": padded},
        "nan-in-rows": {"encoder_hidden_states": valid},
        "inf-in-music": {"target_latents": music * float("inf")},
        "leak": {"context_latents": torch.cat([music, torch.ones_like(music)], dim=1)},
        "wide": {"encoder_hidden_states": whole["encoder_hidden_states"].repeat(1, 2)},
        "no-rows": {"encoder_attention_mask": torch.zeros_like(rows)},
        "short-mask": {"encoder_attention_mask": rows[:5]},
        "three-axes": {"target_latents": music[None]},
    }
    for name, changed in changes.items():
        metadata = {**whole["metadata"], "filename": f"{name}.flac"}
        torch.save({**whole, **changed, "metadata": metadata}, folder / f"{name}.pt")
    torch.save({**whole, "metadata": {"caption": Trap(dest.parent / "sprung")}}, folder / "trap.pt")
    torch.save({"latents": torch.zeros(3)}, folder / "other.pt")
    (folder / "cut.pt").write_bytes((folder / "song0.pt").read_bytes()[:-500])
    (folder / "empty.pt").write_bytes(b"")
    (folder / "song.tmp.pt").write_bytes(b"half")
    (folder / "song.__writing__").write_bytes(b"half")
    (folder / "._song0.pt").write_bytes(b"a file of macOS")
    job, events = collector()
    return dest, import_tensors(folder, dest, job=job), notices(events)


def test_what_is_sound_comes_to_the_songs_that_are_there(zoo: Zoo, trio: Path) -> None:
    there = [track.path for track in manifests.load(trio).tracks]

    assert [name.partition("-")[0] for name in zoo[1].imported] == ["leak.safetensors", "nan", "song0"]
    assert [track.path for track in manifests.load(zoo[0]).tracks] == [*there, *zoo[1].imported]


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("nan-in-rows.pt", "encoder_hidden_states has numbers that are none (NaN or infinite) in 1 of"),
        ("inf-in-music.pt", "target_latents has numbers that are none"),
        ("wide.pt", "latents of 8 channels and conditions 128 wide belong to no known model"),
        ("no-rows.pt", "encoder_hidden_states has no row that is not padding"),
        ("short-mask.pt", "encoder_attention_mask has the shape (5,); wanted is (769)"),
        ("three-axes.pt", "target_latents has the shape (1, 32, 8); wanted is (rows, width)"),
        ("trap.pt", "was refused: it asks for more than tensors (it names posix.mkdir)"),
        ("other.pt", "is no encoded song; it holds: latents"),
        ("cut.pt", "cannot be read: PytorchStreamReader failed reading zip archive"),
        ("empty.pt", "cannot be read: torch.save did not write it whole"),
        ("song.tmp.pt", "was not finished by the trainer that wrote it"),
        ("song.__writing__", "was not finished by the trainer that wrote it"),
    ],
)
def test_what_is_not_sound_is_left_out_in_one_sentence(zoo: Zoo, file: str, sentence: str) -> None:
    (skipped,) = [song for song in zoo[1].skipped if song.path == file]

    assert sentence in skipped.reason
    assert file in skipped.reason and "\n" not in skipped.reason
    assert len(zoo[1].skipped) == 12


def test_a_program_in_a_file_is_not_run(zoo: Zoo) -> None:
    assert [path.name for path in zoo[0].parent.iterdir()] == ["dest"]


def test_a_leaked_answer_is_said_and_not_kept(zoo: Zoo) -> None:
    assert "1 songs were stored with the answer beside the question (first: leak.pt)" in zoo[2]["tensors.leaked"]
    assert load_file(zoo[0] / "leak.safetensors").keys() == {"latents", "conditions"}


def test_unknown_checkpoints_and_old_lyrics_are_said(zoo: Zoo) -> None:
    assert "No file says which checkpoint" in zoo[2]["tensors.no_checkpoint"]
    assert "The lyrics of 3 songs seem to be encoded without the language header" in zoo[2]["tensors.old_lyrics"]


def test_songs_and_encoded_songs_train_together(zoo: Zoo, place: Path) -> None:
    result = acetune.train(recipe_of(zoo[0], **{"data.holdout": 2}), name="mixed", home=place)
    plan = acetune.plan(recipe_of(zoo[0], **{"data.holdout": 2}))

    assert (len(losses(result.folder)), len(held_out(result.folder))) == (6, 6)
    assert (plan.tracks, plan.held_out) == (4, 2)


def test_a_folder_without_encoded_songs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.tmp.pt").write_bytes(b"half")
    with pytest.raises(DataError, match=r"No encoded song found in .* \(looked for \*\.pt .* unfinished files: 1"):
        import_tensors(tmp_path, tmp_path / "dest")

    assert not (tmp_path / "dest").exists()


def test_a_file_in_the_place_of_the_data_set_is_left_alone(tensors: Path, tmp_path: Path) -> None:
    (tmp_path / "dest").write_text("mine")

    with pytest.raises(NotWritable, match="it is a file"):
        import_tensors(tensors, tmp_path / "dest")

    assert (tmp_path / "dest").read_text() == "mine"


def test_an_unknown_treatment_of_conditions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="keep, anew"):
        import_tensors(tmp_path, tmp_path / "dest", conditions="new")


@pytest.mark.slow
def test_the_same_files_are_imported_once(tensors: Path, tmp_path: Path) -> None:
    first = import_tensors(tensors, tmp_path / "dest")
    before = {path: path.read_bytes() for path in (tmp_path / "dest").iterdir() if path.is_file()}

    again = import_tensors(tensors, tmp_path / "dest")

    assert (again.imported, again.known) == ((), first.imported)
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.slow
def test_strict_writes_nothing_if_anything_is_left_out(tensors: Path, tmp_path: Path) -> None:
    shutil.copytree(tensors, tmp_path / "source")
    (tmp_path / "source" / "00000000.pt").write_bytes(b"")

    with pytest.raises(DataError, match="1 files in .* cannot be used"):
        import_tensors(tmp_path / "source", tmp_path / "dest", strict=True)

    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.slow
def test_stopping_writes_nothing(tensors: Path, tmp_path: Path) -> None:
    seen: list[Event] = []
    job = Job(seen.append, lambda: any(isinstance(event, Progress) for event in seen))

    with pytest.raises(Stopped):
        import_tensors(tensors, tmp_path / "dest", job=job)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_thousand_songs_do_not_take_a_thousand_processes(tensors: Path, tmp_path: Path) -> None:
    whole = torch.load(tensors / "00000000.pt", weights_only=True)
    (tmp_path / "source").mkdir()
    for number in range(1000):
        content = {**whole, "target_latents": whole["target_latents"] + number}
        torch.save(content, tmp_path / "source" / f"{number:04d}.pt")

    began = time.monotonic()
    done = import_tensors(tmp_path / "source", tmp_path / "dest")

    assert len(done.imported) == 1000
    assert time.monotonic() - began < 120  # a process for each would take half an hour

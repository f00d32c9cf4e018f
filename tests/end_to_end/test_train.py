"""Training on the embedded variants: the laws of a run, and what users see of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from probing import Recipes, collector, losses, moments, same, stop_after, weights
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import acetune
from acetune.encoding.cache import Cache
from acetune.errors import DiskFull, SettingError, Stopped, TrainingDiverged
from acetune.events import Job, Noticed, Saved, StageEnded, StageStarted, StepDone, Validated
from acetune.run import Run


@pytest.mark.parametrize(
    "changes",
    [
        {},
        pytest.param(
            {
                "model__variant": "tiny-base",
                "adapter__dropout": 0.2,
                "data__accumulation": 2,
                "data__tags_share": 0.8,
                "data__tag_shuffle": True,
                "data__tag_dropout": 0.5,
            },
            marks=pytest.mark.slow,
        ),
        pytest.param({"objective__timesteps": "adaptive", "schedule__steps": 14}, marks=pytest.mark.slow),
        pytest.param(
            {"model__variant": "tiny-xl", "adapter__targets": "attention+mlp", "adapter__rslora": True},
            marks=pytest.mark.slow,
        ),
    ],
)
def test_resuming_continues_to_the_bit(recipe: Recipes, home: Path, changes: dict[str, object]) -> None:
    whole = acetune.train(recipe(**changes), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(**changes), name="halves", home=home, job=stop_after(3))

    halves = acetune.resume("halves", home=home)

    assert same(weights(whole.folder), weights(halves.folder))
    assert same(moments(whole.folder), moments(halves.folder))
    assert losses(whole.folder) == losses(halves.folder)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("optimizer", "schedule", "lr"),
    [
        ("adafactor", "linear", 1e-3),
        ("lion", "rex", 1e-4),
        ("muon", "cosine-restarts", 1e-3),
        ("prodigy", "cosine", 1.0),
        ("prodigy-schedule-free", "constant", 1.0),
    ],
)
def test_resuming_continues_to_the_bit_with_any_optimizer(
    recipe: Recipes, home: Path, optimizer: str, schedule: str, lr: float
) -> None:
    changes = {"optim__name": optimizer, "schedule__name": schedule, "optim__lr": lr}
    test_resuming_continues_to_the_bit(recipe, home, changes)


@pytest.mark.parametrize("changes", [{}, {"optim__name": "prodigy-schedule-free", "optim__lr": 1.0}])
def test_validation_and_saving_do_not_change_the_training(
    recipe: Recipes, home: Path, changes: dict[str, object]
) -> None:
    busy = acetune.train(recipe(guard__validate_every=1, guard__save_every=1, **changes), name="busy", home=home)
    quiet = acetune.train(recipe(guard__validate_every=0, guard__save_every=0, **changes), name="quiet", home=home)

    assert same(weights(busy.folder), weights(quiet.folder))


def test_songs_that_do_not_fit_into_memory_train_the_same(recipe: Recipes, home: Path) -> None:
    resident = acetune.train(recipe(), name="resident", home=home)
    from_disk = acetune.train(recipe(compute__resident_gb=0.0), name="disk", home=home)

    assert same(weights(resident.folder), weights(from_disk.folder))


def test_a_refused_change_does_not_stay_in_the_run(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(), name="run", home=home)

    with pytest.raises(SettingError, match="6 steps"):
        acetune.resume("run", changes={"schedule.steps": 3}, home=home)

    assert acetune.resume("run", home=home).steps == 6


def test_stopping_at_the_last_step_still_ends_in_a_verdict(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped):
        acetune.train(recipe(), name="run", home=home, job=stop_after(5))  # asked while step 6 is done

    resumed = acetune.resume("run", home=home)

    verdict = json.loads((resumed.folder / "evaluation" / "verdict.json").read_text())
    assert verdict["step"] == 6 and verdict["difference"] is not None


def test_a_moved_folder_of_songs_resumes_and_other_songs_do_not(
    recipe: Recipes, album: Path, trio: Path, home: Path, tmp_path: Path
) -> None:
    acetune.train(recipe(), name="run", home=home)
    shutil.copytree(album, tmp_path / "moved")

    changes = {"schedule.steps": 7, "data.dataset": str(tmp_path / "moved")}
    moved = acetune.resume("run", changes=changes, home=home)
    with pytest.raises(SettingError, match="changed since"):
        acetune.resume("run", changes={"data.dataset": str(trio)}, home=home)

    assert moved.steps == 7


def test_a_run_that_starts_again_at_step_zero_counts_its_steps_once(recipe: Recipes, home: Path) -> None:
    with pytest.raises(DiskFull):
        acetune.train(recipe(guard__save_every=0, guard__validate_every=0), name="run", home=home, job=_full_at(3))

    resumed = acetune.resume("run", home=home)

    assert len(losses(resumed.folder)) == 6
    assert [e.step for e in Run(resumed.folder).history() if isinstance(e, StepDone)] == [1, 2, 3, 4, 5, 6]


def _full_at(step: int) -> Job:
    """Return a job whose listener meets a full disk at a step, as a watcher's file might."""

    def listen(event: object) -> None:
        if isinstance(event, StepDone) and event.step == step:
            raise DiskFull("files.disk_full", path="watcher", free="0 GB")

    return Job(listen)


def test_another_seed_is_another_training(recipe: Recipes, home: Path) -> None:
    one = acetune.train(recipe(), name="one", home=home)
    two = acetune.train(recipe(data__seed=7), name="two", home=home)

    assert not same(weights(one.folder), weights(two.folder))


def test_recomputation_gives_the_same_training(recipe: Recipes, home: Path) -> None:
    kept = acetune.train(recipe(), name="kept", home=home)
    recomputed = acetune.train(recipe(compute__recompute=True), name="recomputed", home=home)

    assert losses(kept.folder) == pytest.approx(losses(recomputed.folder), rel=1e-6)


def test_one_big_batch_is_the_same_step_as_accumulated_small_ones(recipe: Recipes, home: Path) -> None:
    batch = acetune.train(recipe(data__batch_size=2, schedule__steps=3), name="batch", home=home)
    small = acetune.train(recipe(data__batch_size=1, data__accumulation=2, schedule__steps=3), name="small", home=home)

    assert losses(batch.folder) == pytest.approx(losses(small.folder), rel=1e-5)


def test_a_finished_run_can_be_extended(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(schedule__steps=4), name="run", home=home)
    job, events = collector()

    longer = acetune.resume("run", changes={"schedule.steps": 6}, home=home, job=job)

    assert longer.steps == 6
    assert [e.step for e in events if isinstance(e, StepDone)] == [5, 6]
    assert next(e.resumed_from for e in events if isinstance(e, StageStarted) and e.stage == "train") == 4
    assert len(losses(longer.folder)) == 6


def test_a_stop_before_the_first_step_says_how_to_go_on(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped) as stopped:
        acetune.train(recipe(), name="run", home=home, job=Job(stop_requested=lambda: True))

    assert "acetune resume run" in stopped.value.remedy()


def test_a_run_that_is_made_shorter_says_so(recipe: Recipes, home: Path) -> None:
    with pytest.raises(Stopped):
        acetune.train(recipe(), name="run", home=home, job=stop_after(2))
    job, events = collector()

    acetune.resume("run", changes={"schedule.steps": 4}, home=home, job=job)

    assert [e.params for e in events if isinstance(e, Noticed) and e.code == "training.fewer_steps"] == [
        {"before": 6, "steps": 4}
    ]


def test_resuming_a_finished_run_without_more_steps_finishes_again(recipe: Recipes, home: Path) -> None:
    first = acetune.train(recipe(), name="run", home=home)
    before = weights(first.folder)

    again = acetune.resume("run", home=home)

    assert again.verdict == first.verdict
    assert same(before, weights(again.folder))


def test_a_changed_rank_is_refused_by_name(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(schedule__steps=2), name="run", home=home)

    with pytest.raises(SettingError, match="adapter.rank") as refused:
        acetune.train(recipe(schedule__steps=4, adapter__rank=8), name="run", on_existing="resume", home=home)

    assert refused.value.exit_code == 2
    assert Run(home / "runs" / "run").recipe.adapter.rank == 4


def test_a_changed_save_interval_resumes(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(schedule__steps=2), name="run", home=home)

    resumed = acetune.train(recipe(schedule__steps=4, guard__save_every=1), name="run", on_existing="resume", home=home)

    assert resumed.steps == 4


def test_an_existing_name_is_refused_and_both_ways_out_are_named(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(schedule__steps=1), name="run", home=home)

    with pytest.raises(SettingError) as refused:
        acetune.train(recipe(schedule__steps=1), name="run", home=home)

    assert "resume" in str(refused.value) and "new" in str(refused.value)


def test_a_new_run_can_stand_beside_an_old_one(recipe: Recipes, home: Path) -> None:
    acetune.train(recipe(schedule__steps=1), name="run", home=home)

    second = acetune.train(recipe(schedule__steps=1), name="run", on_existing="new", home=home)

    assert second.folder.name == "run-2"


def test_a_number_that_is_no_number_stops_at_the_last_good_state(recipe: Recipes, album: Path, tmp_path: Path) -> None:
    # Pain 17: "trained on to the end with NaN and saved".
    home = tmp_path / "home"
    chosen = recipe(guard__validate_every=0, guard__save_every=0, schedule__steps=30, optim__lr=1e-3)
    acetune.encode(chosen, home=home)
    songs = sorted((Cache(home / "cache").root / "latents").rglob("*.safetensors"))
    for path in songs[:5]:  # four of nine are held out, so at least one of these is trained on
        tensors = load_file(path)
        tensors["mean"][len(tensors["mean"]) // 2] = float("nan")
        save_file(tensors, path)

    with pytest.raises(TrainingDiverged) as diverged:
        acetune.train(chosen, name="run", home=home)

    folder = home / "runs" / "run"
    bad = int(diverged.value.params["step"])
    assert diverged.value.exit_code == 5
    assert "latents of song" in str(diverged.value)
    assert int((folder / "checkpoints" / "last").read_text()) == bad - 1
    assert all(torch.isfinite(tensor).all() for tensor in weights(folder).values())
    assert len(losses(folder)) == bad - 1
    assert isinstance(list(Run(folder).events())[-1], StageEnded)


def test_a_full_disk_while_saving_loses_nothing(recipe: Recipes, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    real, calls = os.fsync, []

    def full(descriptor: int) -> None:
        calls.append(descriptor)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    chosen = recipe(guard__save_every=2, guard__validate_every=0)
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull) as met:
        acetune.train(chosen, name="run", home=home)
    monkeypatch.setattr(os, "fsync", real)
    folder = home / "runs" / "run"
    drafts = list(folder.rglob("*.draft-*"))

    finished = acetune.resume("run", home=home)
    straight = acetune.train(chosen, name="straight", home=home)

    assert met.value.exit_code == 3
    assert drafts == []
    assert same(weights(finished.folder), weights(straight.folder))


def test_a_stop_file_stops_and_saves(recipe: Recipes, home: Path) -> None:
    run = Run(home / "runs" / "run")
    asked: list[int] = []

    def listen(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 2:
            run.ask("stop")
            asked.append(event.step)

    with pytest.raises(Stopped) as stopped:
        acetune.train(recipe(), name="run", home=home, job=acetune.Job(listen))

    assert stopped.value.exit_code == 130
    step = int((run.checkpoints / "last").read_text())
    assert asked == [2] and 2 <= step <= 3
    assert (run.adapters / f"run_{step}steps.safetensors").is_file()


def test_checkpoints_are_kept_by_the_rule(recipe: Recipes, home: Path) -> None:
    result = acetune.train(
        recipe(
            schedule__steps=9, guard__save_every=1, guard__keep_last=2, guard__keep_every=4, guard__validate_every=0
        ),
        name="run",
        home=home,
    )

    kept = sorted(int(f.name) for f in (result.folder / "checkpoints").iterdir() if f.is_dir())
    assert kept == [4, 8, 9]


def test_whole_songs_are_held_out_and_an_interval_is_given(recipe: Recipes, home: Path) -> None:
    job, events = collector()

    result = acetune.train(recipe(), name="run", home=home, job=job)

    verdict = json.loads((result.folder / "evaluation" / "verdict.json").read_text())
    found = [e for e in events if isinstance(e, Validated)]
    assert verdict["mode"] == "songs"
    assert found and all(e.units == 4 and e.low is not None and e.low <= e.difference <= e.high for e in found)
    assert verdict["best_step"] == min(found, key=lambda e: e.difference).step
    assert (result.folder / "checkpoints" / f"{verdict['best_step']:06d}").is_dir()


def test_a_learning_rate_of_next_to_nothing_is_not_called_learning(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(optim__lr=1e-9, data__holdout=4), name="run", home=home)

    found = json.loads((done.folder / "evaluation" / "verdict.json").read_text())
    assert (found["verdict"], found["reason"]) == ("cannot tell", "difference too small")


def test_three_songs_hold_out_windows_and_give_no_interval(recipe: Recipes, trio: Path, home: Path) -> None:
    result = acetune.train(recipe(data__dataset=str(trio)), name="run", home=home)

    verdict = json.loads((result.folder / "evaluation" / "verdict.json").read_text())
    assert verdict["mode"] == "windows"
    assert (verdict["units"], verdict["low"], verdict["verdict"]) == (3, None, "cannot tell")
    assert verdict["reason"] == "too few units"


def test_nothing_held_out_is_said_and_is_no_verdict(recipe: Recipes, home: Path) -> None:
    result = acetune.train(recipe(data__holdout=0), name="run", home=home)

    assert result.verdict == "cannot tell"


def test_held_out_windows_are_never_trained_on(recipe: Recipes, trio: Path, home: Path) -> None:
    from acetune.encoding.encode import encode_set, load_dataset
    from acetune.recipe import family_of
    from acetune.training.examples import Examples

    chosen = recipe(data__dataset=str(trio))
    card, _ = family_of("tiny")
    family = card.open(chosen, home / "models", Job())
    encoded, _ = encode_set(load_dataset(chosen), chosen, family, Cache(home / "cache"), Job())
    examples = Examples(encoded, chosen, 25.0, 2)

    for song, unit in zip(examples.songs, examples.held_out(), strict=True):
        _, start, length = unit.crops[0]
        assert start >= song.cuts.frames and length == song.cuts.window > 0


def test_every_event_is_in_the_run_folder(recipe: Recipes, home: Path) -> None:
    job, events = collector()

    result = acetune.train(recipe(), name="run", home=home, job=job)

    assert list(Run(result.folder).events()) == events
    assert [e.step for e in events if isinstance(e, StepDone)] == [1, 2, 3, 4, 5, 6]
    assert {e.what for e in events if isinstance(e, Saved)} == {"checkpoint", "adapter", "universal", "peft"}


def test_the_adapter_carries_its_facts_and_no_private_words(recipe: Recipes, home: Path) -> None:
    result = acetune.train(recipe(), name="run", home=home)

    with safe_open(result.adapter, "pt") as source:
        header = source.metadata()
    facts = json.loads(header["acetune"])
    assert (facts["rank"], facts["trained_alpha"], facts["variant"], facts["step"]) == (4, 8.0, "tiny", 6)
    assert facts["objective"]["timesteps"] == "turbo8"
    assert "song1" not in str(header) and "dreamy" not in str(header)


def test_a_turbo_variant_never_sees_other_times_and_a_base_variant_drops_conditions(recipe: Recipes) -> None:
    # Pain 14: the turbo schedule forced on every model, no condition dropout on base.
    from acetune.families.objective import Objective
    from acetune.recipe import family_of

    turbo, base = (Objective.of(recipe(model__variant=name), family_of(name)[1]) for name in ("tiny", "tiny-base"))
    turbo_times = {round(float(t), 6) for t in turbo.times(0, 0, range(200))}
    base_times = {round(float(t), 6) for t in base.times(0, 0, range(200))}

    assert len(turbo_times) == 8 and len(base_times) > 190
    assert turbo.dropped(0, 0, range(200)).sum() == 0
    assert 10 <= base.dropped(0, 0, range(200)).sum() <= 50


@pytest.mark.parametrize("layout", ["official", "comfyui-aio"])
def test_weights_in_another_layout_train_the_same_adapter(
    recipe: Recipes, home: Path, models: Path, tmp_path: Path, layout: str
) -> None:
    from acetune.families.acestep_v15 import layouts
    from acetune.recipe import family_of
    from families.layout_writer import write_layout

    embedded = acetune.train(recipe(), name="embedded", home=home)
    weights_of_tiny = layouts.open_weights(family_of("tiny")[1], None, models, Job())
    path = write_layout(weights_of_tiny, layout, tmp_path / "weights")

    other = acetune.train(recipe(model__path=str(path)), name="other", home=home)

    assert same(weights(embedded.folder), weights(other.folder))

import dataclasses
import json

import pytest

from acetune.compute import Machine
from acetune.data.manifest import Manifest, save
from acetune.data.settings import DatasetSettings
from acetune.data.track import Track
from acetune.errors import AcetuneError, DataError, SettingError
from acetune.planning.plan import plan, plan_for
from acetune.recipe import family_of, resolve

HOUR = 3600.0


def machine(device="cuda:0", free=40e9):
    return Machine(
        device=device, name="card", total_bytes=int(80e9), free_bytes=None if free is None else int(free),
        system="linux", python="3.11", torch="2.13", torch_build="CUDA", nvidia_card="card",
    )  # fmt: skip


def songs(count, seconds=240.0, **values):
    values = {"caption": "slow pads", **values}
    return [Track(path=f"{n}.wav", seconds=seconds, audio_sha256=f"{n:064x}", **values) for n in range(count)]


def sentences(found):
    """Return what a plan warns of, with what to do."""
    return [str(advice.finding) for advice in found.warnings]


def recipe(**knobs):
    return resolve([("test", {"model.variant": "turbo", **knobs})]).recipe


def planned(tracks, on=None, **knobs):
    made = recipe(**knobs)
    return plan_for(made, family_of(made.model.variant)[1].size, tracks, on or machine())


def test_a_plan_of_twenty_songs_is_what_the_rules_say():
    found = planned(songs(20))

    assert (found.tracks, found.held_out, found.mode) == (16, 4, "songs")
    assert found.minutes_of_music == pytest.approx(64)
    assert (found.steps, found.steps_per_epoch, found.epochs) == (940, 16, 58.75)
    assert (found.warmup, found.save_every, found.validate_every) == (94, 235, 235)
    assert found.adapter_parameters == 44_040_192
    assert found.warnings == ()


def test_planning_is_pure():
    assert planned(songs(20)) == planned(songs(20))


@pytest.mark.parametrize(("songs_in_all", "mode"), [(7, "windows"), (8, "songs")])
def test_from_eight_songs_on_whole_songs_are_held_out(songs_in_all, mode):
    assert planned(songs(songs_in_all)).mode == mode


def test_with_fewer_songs_each_holds_out_its_end():
    found = planned(songs(5))

    assert (found.tracks, found.held_out) == (5, 5)


def test_excluded_songs_do_not_count():
    tracks = [*songs(10), *[dataclasses.replace(track, path=f"x{track.path}", excluded=True) for track in songs(10)]]

    assert planned(tracks) == planned(songs(10))


def test_repeats_count_as_often_as_they_say():
    assert planned(songs(5, repeats=3), epochs=1).steps == 15
    assert planned(songs(5, repeats=3)).minutes_of_music == pytest.approx(60)


def test_music_beyond_the_longest_song_does_not_count():
    assert planned(songs(5, seconds=HOUR)).minutes_of_music == pytest.approx(20)


@pytest.mark.parametrize(("knobs", "steps"), [({"epochs": 2}, 10), ({"epochs": 2, "batch-size": 2}, 6)])
def test_epochs_become_steps_of_the_songs_that_are_trained_on(knobs, steps):
    assert planned(songs(5), **knobs).steps == steps


def test_a_larger_batch_takes_more_memory_only_if_there_are_songs_for_it():
    one, two, many = (planned(songs(2), **{"batch-size": n}).memory_bytes for n in (1, 2, 64))

    assert one < two == many


def test_micro_batches_that_songs_do_not_fill_take_no_time():
    whole, more = (planned(songs(16), **{"accumulation": count, "steps": 500}).minutes for count in (12, 4000))

    assert whole == more > 0


def test_several_devices_share_the_time_and_not_the_memory():
    one, four = (planned(songs(40), **{"data.accumulation": 4, "compute.devices": count}) for count in (1, 4))

    assert four.memory_bytes == one.memory_bytes
    assert one.minutes / 4 < four.minutes < one.minutes / 2


#: XL with all its weights, on two cards.
ALL_WEIGHTS = {"model.variant": "xl-turbo", "adapter.kind": "full", "data.accumulation": 2, "compute.devices": 2}


def test_devices_that_hold_all_weights_together_need_half_the_state_each():
    weights = family_of("xl-turbo")[1].size.parameters
    apart, shared = (
        planned(songs(20), **ALL_WEIGHTS, **{"compute.shard": shard}).memory_bytes for shard in (False, True)
    )

    assert 16 * weights / 2 * 0.9 < apart - shared < 16 * weights / 2 * 1.06


def test_holding_the_weights_together_is_offered_where_a_copy_each_does_not_fit():
    found = [advice.code for advice in planned(songs(20), on=machine(free=60e9), **ALL_WEIGHTS).warnings]

    assert {"plan.too_big", "plan.shard"} <= set(found)


@pytest.mark.parametrize(
    ("knobs", "code"),
    [({"adapter.kind": "lora"}, "plan.shard_kind"), ({"optim.name": "adafactor"}, "plan.shard_optimizer")],
)
def test_what_devices_cannot_hold_together_is_refused_by_name(knobs, code):
    with pytest.raises(SettingError) as refused:
        planned(songs(20), **{**ALL_WEIGHTS, "compute.shard": True, **knobs})

    assert refused.value.code == code


def test_more_devices_than_crops_of_a_step_are_refused():
    with pytest.raises(SettingError, match="fewer than the 4 devices"):
        planned(songs(40), **{"data.accumulation": 2, "compute.devices": 4})


def test_recomputation_takes_less_memory_and_more_time():
    usual, again = planned(songs(20)), planned(songs(20), **{"compute.recompute": True})

    assert again.memory_bytes < usual.memory_bytes
    assert again.minutes > usual.minutes


@pytest.mark.parametrize(
    ("knobs", "free", "warned"),
    [({}, 40e9, False), ({}, 6e9, True), ({"compute.recompute": True}, 6e9, False), ({}, None, False)],
)
def test_too_little_memory_is_said_with_what_helps(knobs, free, warned):
    warnings = sentences(planned(songs(20), machine(free=free), **knobs))

    assert ["GB of device memory" in text and "recompute" in text for text in warnings[:1]] == [True] * warned


@pytest.mark.parametrize(
    ("knobs", "free", "changes"),
    [
        ({"data.batch_size": 4}, 9e9, "--data.batch_size 1 --data.accumulation 4"),
        ({"data.batch_size": 3}, 9e9, "--data.batch_size 1 --data.accumulation 3"),
        ({}, 6e9, "--compute.recompute true"),
        ({}, 5e9, "--compute.recompute true --adapter.rank 32 --adapter.alpha 32"),
        (
            {"data.crop_seconds": 240.0},
            4.75e9,
            "recompute true --adapter.rank 16 --adapter.alpha 16 --data.crop_seconds",
        ),
    ],
)
def test_what_does_not_fit_is_told_with_the_changes_that_make_it_fit(knobs, free, changes):
    warning, *_ = sentences(planned(songs(20), machine(free=free), **knobs))

    assert changes in warning


def test_changes_that_make_it_fit_do(free=5e9):
    warning, *_ = planned(songs(20), machine(free=free)).warnings
    flags = dict(warning.params)["changes"].removeprefix("--").split(" --")

    assert planned(songs(20), machine(free=free), **dict(flag.split() for flag in flags)).warnings == ()


@pytest.mark.parametrize(("rank", "proposed"), [(64, True), (65, False)])
def test_a_rank_is_halved_only_where_its_half_is_whole(rank, proposed):
    warning, *_ = sentences(planned(songs(20), machine(free=4.7e9), **{"adapter.rank": rank}))

    assert ("--adapter.rank" in warning) == proposed


def test_what_never_fits_is_said():
    (warning,) = sentences(planned(songs(20), machine(free=2e9)))

    assert "no crop is short enough" in warning


@pytest.mark.parametrize(
    ("knobs", "free", "flags"),
    [
        ({"compute.recompute": True}, 4.5e9, ["--compute.quantise int8"]),
        ({"compute.recompute": True}, 3.5e9, ["--compute.quantise nf4"]),
        ({}, 2.7e9, ["--compute.quantise nf4 --compute.recompute true --adapter.rank 32 --adapter.alpha 32"]),
        ({"compute.recompute": True, "compute.quantise": "int8"}, 3.5e9, []),
        ({"compute.recompute": True, "adapter.kind": "loha"}, 5.5e9, []),
        ({"compute.recompute": True}, 9e9, []),
        ({"compute.recompute": True, "adapter.kind": "dora"}, 5e9, ["--compute.quantise nf4"]),
    ],
)
def test_a_quantised_base_is_offered_beside_what_makes_it_fit(knobs, free, flags):
    warnings = planned(songs(20), machine(free=free), **knobs).warnings

    assert [dict(w.params)["changes"] for w in warnings if w.code == "plan.quantise"] == flags


@pytest.mark.parametrize("form", ["int8", "nf4"])
@pytest.mark.parametrize("kind", ["lokr", "loha", "oft", "full"])
def test_what_a_quantised_base_cannot_carry_is_refused_by_name(kind, form):
    rank = {} if kind == "full" else {"adapter.rank": 16}
    knobs = {"adapter.kind": kind, "compute.quantise": form, "optim.lr": 1e-5, **rank}

    with pytest.raises(SettingError, match=f"kind {kind} cannot be trained on a base in {form}"):
        planned(songs(20), **knobs)


@pytest.mark.parametrize(("kind", "form"), [("lora", "int8"), ("lora", "nf4"), ("dora", "nf4")])
def test_a_quantised_base_takes_less_memory(kind, form):
    plain, small = (planned(songs(20), **{"adapter.kind": kind, "compute.quantise": f}) for f in ("none", form))

    assert small.memory_bytes < plain.memory_bytes - 0.5e9


def test_main_memory_is_not_mistaken_for_device_memory():
    assert planned(songs(20), machine(device="cpu", free=1e9)).warnings == ()


def test_a_warm_up_that_never_ends_is_said():
    assert "Warm-up (100 steps)" in sentences(planned(songs(20), steps=100, **{"schedule.warmup": 100}))[0]


@pytest.mark.parametrize(
    ("count", "holdout", "said"),
    [
        (20, 0, "Nothing is held out"),
        (3, None, "Only 3 held-out units"),
        (4, None, ""),
        (8, 3, "Only 3 held-out units"),
    ],
)
def test_too_little_to_tell_whether_it_learned_is_said(count, holdout, said):
    found = planned(songs(count), **{"data.holdout": holdout})

    assert bool(found.warnings) == bool(said)
    assert said in "".join(sentences(found))


def test_songs_that_are_all_too_short_are_refused():
    with pytest.raises(DataError) as caught:
        planned(songs(3, seconds=0.1))

    assert "None of the 3 tracks" in caught.value.message()


def test_a_few_songs_that_are_too_short_do_not_matter():
    assert planned([*songs(5), Track(path="x.wav", seconds=0.1)], epochs=1).steps == 5


def test_a_plan_is_json():
    found = planned(songs(3))
    read = json.loads(json.dumps(found.to_json()))

    assert {**read, "warnings": found.warnings} == {**vars(found)}
    assert [advice["message"] for advice in read["warnings"]] == [a.finding.message() for a in found.warnings]


def test_the_verb_reads_the_folder_and_this_machine(tmp_path):
    save(Manifest(tmp_path, tuple(songs(9)), DatasetSettings("songs")))

    assert plan(recipe(**{"data.dataset": str(tmp_path), "device": "cpu"})).tracks == 5


def test_without_a_data_set_the_verb_asks_for_one():
    with pytest.raises(SettingError) as caught:
        plan(recipe())

    assert caught.value.code == "plan.no_dataset"


@pytest.mark.parametrize(
    ("knobs", "code"),
    [
        ({"steps": 40}, "plan.long_memory"),
        ({"rank": 64, "alpha": 1}, "plan.scale"),
        ({"rank": 4, "alpha": 64}, "plan.scale"),
        ({"lr": 1e-2}, "plan.rate"),
        ({"optim.name": "lion", "lr": 1e-3}, "plan.rate"),
        ({"optim.name": "prodigy"}, "plan.rate"),
        ({"optim.name": "prodigy-schedule-free", "lr": 1.0}, "plan.schedule"),
    ],
)
def test_unusual_knobs_are_said(knobs, code):
    assert [advice.code for advice in planned(songs(20), **knobs).warnings] == [code]


@pytest.mark.parametrize(
    "knobs",
    [
        {"steps": 200},
        {"rank": 64, "alpha": 8, "adapter.rslora": True},
        {"optim.name": "prodigy", "lr": 1.0},
        {"optim.name": "prodigy-schedule-free", "lr": 1.0, "schedule.name": "constant"},
    ],
)
def test_usual_knobs_are_not(knobs):
    assert planned(songs(20), **knobs).warnings == ()


@pytest.mark.parametrize(
    ("knobs", "said"),
    [
        (
            {"optim.name": "adafactor", "optim.beta2": 0.9},
            "optim.beta2 = 0.9 does nothing with optim.name = adafactor.",
        ),
        ({"optim.name": "adafactor"}, None),
        ({"optim.name": "muon", "optim.beta1": 0.5}, "optim.beta1 = 0.5 does nothing with optim.name = muon."),
        ({"optim.name": "lion", "optim.beta2": 0.995}, "optim.beta2 = 0.995 does nothing with optim.name = lion."),
        ({"optim.name": "lion", "optim.beta2": 0.95}, None),
        ({"adapter.kind": "oft", "alpha": 3.0}, "adapter.alpha = 3.0 does nothing with adapter.kind = oft."),
        ({"objective.timestep_sd": 2.0}, "objective.timestep_sd = 2.0 does nothing with objective.timesteps = auto."),
        ({"objective.timestep_sd": 2.0, "model.variant": "base"}, None),
        (
            {"objective.min_snr_gamma": 3.0},
            "objective.min_snr_gamma = 3.0 does nothing with objective.weighting = none.",
        ),
        ({"objective.min_snr_gamma": 3.0, "objective.weighting": "min_snr"}, None),
        (
            {"schedule.final": 0.2, "schedule.name": "constant"},
            "schedule.final = 0.2 does nothing with schedule.name = constant.",
        ),
        ({"data.prior_share": 0.5}, "data.prior_share = 0.5 does nothing with data.prior = 0."),
        ({"data.prior_share": 0.5, "data.prior": 4}, None),
        (
            {"guard.patience": 3, "guard.validate_every": 0},
            "guard.patience = 3 does nothing with guard.validate_every = 0.",
        ),
        ({"guard.patience": 3, "data.holdout": 0}, "guard.patience = 3 does nothing with data.holdout = 0.0."),
        ({"guard.patience": 3}, None),
    ],
)
def test_a_knob_that_somebody_set_and_that_does_nothing_is_said(knobs, said):
    made = planned(songs(20), **{"lr": 1e-4, **knobs})

    assert [a.finding.message() for a in made.warnings if a.code == "plan.unused"] == ([said] if said else [])


@pytest.mark.parametrize(
    ("name", "said"),
    [("adamw", [1000]), ("lion", [100]), ("prodigy-schedule-free", [100]), ("adafactor", []), ("muon", [])],
)
def test_a_memory_longer_than_the_run_is_that_of_the_optimizer(name, said):
    made = planned(songs(20), **{"optim.name": name, "steps": 9})

    assert [dict(advice.params)["memory"] for advice in made.warnings if advice.code == "plan.long_memory"] == said


def test_an_average_that_weighs_nothing_is_refused():
    with pytest.raises(SettingError, match="weighs its average by optim.beta1") as refused:
        planned(songs(20), **{"optim.name": "prodigy-schedule-free", "optim.beta1": 0})

    assert "--optim.beta1 0.9" in refused.value.remedy()


@pytest.mark.parametrize(
    ("knobs", "values", "said"),
    [
        ({"data.genre_share": 0.1}, {}, "data.genre_share is 0.1, and no track has genre."),
        ({"data.genre_share": 0.1}, {"genre": "jazz"}, None),
        ({"data.tag_shuffle": True}, {}, "data.tag_shuffle is True, and no track has tags."),
        ({"data.tag_dropout": 0.5}, {"tags": ("jazz",)}, None),
        ({"data.recaption_share": 0.2}, {}, "data.recaption_share is 0.2, and no track has recaption."),
        ({"data.tags_share": 0.2}, {}, None),
    ],
)
def test_texts_that_are_asked_for_and_stand_nowhere_are_said(knobs, values, said):
    found = [advice.finding.message() for advice in planned(songs(20, **values), **knobs).warnings]

    assert found == ([said] if said else [])


@pytest.mark.parametrize(("count", "dropout", "said"), [(4, 0.3, True), (4, 0.1, False), (9, 0.3, False)])
def test_dropout_with_a_handful_of_songs_is_said(count, dropout, said):
    found = planned(songs(count), **{"adapter.dropout": dropout})

    assert ("plan.dropout" in [advice.code for advice in found.warnings]) == said


def test_songs_without_words_are_counted():
    found = planned([*songs(20), *songs(2, caption=None), *songs(1, caption=None, tags=("rock",))])

    assert [str(advice.finding) for advice in found.warnings][0].startswith("Songs without caption and tags: 2 of 23.")


def test_a_plan_of_all_weights_counts_them_all():
    whole = planned(songs(20), **{"adapter.kind": "full", "optim.lr": 1e-5})

    assert whole.adapter_parameters == 1_575_458_880
    assert whole.memory_bytes > 18 * 1_575_458_880
    assert whole.disk_bytes > 4 * 12 * 1_575_458_880
    assert whole.warnings == ()


@pytest.mark.parametrize(("rate", "warned"), [(1e-4, True), (2e-5, False)])
def test_a_rate_at_which_a_model_forgets_is_warned_of_where_all_weights_are_trained(rate, warned):
    said = sentences(planned(songs(20), **{"adapter.kind": "full", "optim.lr": rate}))

    assert any("high for training all weights" in sentence for sentence in said) is warned


WORDS = {"lyrics": "[Verse]\none\ntwo"}


@pytest.mark.parametrize(
    ("fields", "knobs", "said"),
    [
        (WORDS, {}, True),
        ({**WORDS, "line_times": (1.0, 9.0)}, {}, False),  # its lyrics are cut with it
        ({**WORDS, "instrumental": True}, {}, False),
        ({}, {}, False),
        (WORDS, {"crop-seconds": 240.0}, False),
        (WORDS, {"data.cut_lyrics": False}, False),  # as somebody wants it
    ],
)
def test_crops_that_are_shown_with_the_words_of_a_whole_song_are_said(fields, knobs, said):
    found = [advice.code for advice in planned(songs(20, **fields), **knobs).warnings]

    assert ("plan.whole_lyrics" in found) == said


@pytest.mark.parametrize(
    ("fields", "knobs", "said"),
    [
        ({**WORDS, "caption": "acapella, female voice"}, {}, True),
        ({**WORDS, "tags": ("Isolated vocals", "slow")}, {}, True),
        ({**WORDS, "genre": "清唱"}, {}, True),
        ({**WORDS, "caption": "female vocal, piano"}, {}, False),
        ({"caption": "acapella"}, {}, False),  # nothing of it is sung words
        ({**WORDS, "caption": "acapella"}, {"adapter.targets": "attention+mlp"}, False),
    ],
)
def test_voices_without_music_have_a_preset(fields, knobs, said):
    found = [advice.finding.remedy() for advice in planned(songs(20, **fields), **knobs).warnings]

    assert any("--preset vocal" in remedy for remedy in found) == said


@pytest.mark.parametrize(
    ("knobs", "code"),
    [
        ({"guard.trackers": "wandb, tracio"}, "catalog.unknown"),
        ({"adapter.start": "gone.safetensors"}, "adapter.no_file"),
        ({"preview.every": 10, "preview.prompts": "gone.txt"}, "preview.unreadable"),
    ],
)
def test_a_plan_refuses_what_is_not_there_as_the_training_would(knobs, code, tmp_path):
    save(Manifest(tmp_path, tuple(songs(8)), DatasetSettings("songs")))
    with pytest.raises(AcetuneError) as refused:
        plan(recipe(**{"data.dataset": str(tmp_path), **knobs}))

    assert refused.value.code == code

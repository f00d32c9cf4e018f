"""Music while training: it is there, and the training does not notice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile
from probing import Recipes, collector, losses, moments, same, stop_after, weights

import acetune
from acetune.errors import SettingError, Stopped
from acetune.events import Noticed, PreviewReady, StepDone
from acetune.run import Run

#: Two songs, one second, one sampling step: at the third and the sixth of six steps.
PLAYED = {"preview__every": 3, "preview__seconds": 1.0, "preview__steps": 1}


@pytest.mark.parametrize(
    "changes",
    [{}, pytest.param({"optim__name": "prodigy-schedule-free", "optim__lr": 1.0}, marks=pytest.mark.slow)],
)
def test_previews_do_not_change_the_training(recipe: Recipes, home: Path, changes: dict[str, object]) -> None:
    changes = {**changes, "adapter__dropout": 0.1, "schedule__steps": 4, "guard__validate_every": 0}
    played = acetune.train(recipe(**PLAYED, **changes), name="played", home=home)
    quiet = acetune.train(recipe(**changes), name="quiet", home=home)

    assert same(weights(played.folder), weights(quiet.folder))
    assert same(moments(played.folder), moments(quiet.folder))
    assert losses(played.folder) == losses(quiet.folder)


def test_the_base_network_is_heard_first_and_then_the_adapter_on_the_same_prompts(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    done = acetune.train(recipe(**PLAYED), name="run", home=home, job=job)

    heard = [e for e in events if isinstance(e, PreviewReady)]
    first, *_, last = (done.folder / e.path for e in heard)
    assert [(e.step, e.strength) for e in heard] == [(0, 0.0)] * 2 + [(3, 1.0)] * 2 + [(6, 1.0)] * 2
    assert len({e.caption for e in heard}) == 2 and len({e.seed for e in heard}) == 1
    assert events.index(heard[0]) < next(n for n, e in enumerate(events) if isinstance(e, StepDone))
    assert soundfile.info(first).duration == pytest.approx(1.0)
    assert (soundfile.read(first)[0] != soundfile.read(last)[0]).any()


def test_a_preview_says_that_it_was_generated_and_nothing_private(recipe: Recipes, home: Path) -> None:
    done = acetune.train(recipe(**PLAYED, schedule__steps=3), name="run", home=home)
    path = sorted(done.folder.glob("previews/000003*"))[0]
    with soundfile.SoundFile(path) as sound:
        mark = json.loads(sound.comment)

    assert mark == {
        "generated_by": "acetune", "ai_generated": True, "variant": "tiny", "seed": 42, "strength": 1.0, "step": 3,
    }  # fmt: skip


def test_a_file_of_prompts_takes_the_place_of_songs(recipe: Recipes, home: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("slow piano\n\nloud drums\n")
    job, events = collector()
    acetune.train(
        recipe(**PLAYED, preview__prompts=str(prompts), preview__seeds=2, schedule__steps=1),
        name="run",
        home=home,
        job=job,
    )

    heard = [(e.step, e.caption, e.seed) for e in events if isinstance(e, PreviewReady)]
    assert heard == [
        (step, text, seed) for step in (0, 1) for text in ("slow piano", "loud drums") for seed in (42, 43)
    ]


@pytest.mark.parametrize("content", [None, "\n  \n"])
def test_prompts_that_are_not_there_are_refused(
    recipe: Recipes, home: Path, tmp_path: Path, content: str | None
) -> None:
    prompts = tmp_path / "prompts.txt"
    if content is not None:
        prompts.write_text(content)

    with pytest.raises(SettingError, match="prompts"):
        acetune.train(recipe(**PLAYED, preview__prompts=str(prompts)), name="run", home=home)


def test_a_preview_can_be_asked_for_in_between(recipe: Recipes, home: Path) -> None:
    run, job, events = Run(home / "runs" / "run"), *collector()

    def listen(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            run.ask("preview_now")

    acetune.train(recipe(**{**PLAYED, "preview__every": 100}), name="run", home=home, job=job.also(listen))

    assert [e.step for e in events if isinstance(e, PreviewReady)] == [0, 0, 2, 2, 6, 6]


def test_asking_a_run_without_previews_is_answered(recipe: Recipes, home: Path) -> None:
    run, job, events = Run(home / "runs" / "run"), *collector()

    def listen(event: object) -> None:
        if isinstance(event, StepDone) and event.step == 1:
            run.ask("preview_now")

    acetune.train(recipe(schedule__steps=3), name="run", home=home, job=job.also(listen))

    assert "preview.off" in {e.code for e in events if isinstance(e, Noticed)}


@pytest.mark.slow
def test_a_run_that_goes_on_is_heard_as_if_it_had_never_stopped(recipe: Recipes, home: Path) -> None:
    whole = acetune.train(recipe(**PLAYED), name="whole", home=home)
    with pytest.raises(Stopped):
        acetune.train(recipe(), name="halves", home=home, job=stop_after(1))
    changes = {name.replace("__", "."): value for name, value in PLAYED.items()}
    halves = acetune.resume("halves", changes=changes, home=home)

    one, two = ({p.name: soundfile.read(p)[0] for p in run.folder.glob("previews/*")} for run in (whole, halves))
    assert one.keys() == two.keys() and len(one) == 6
    assert all((one[name] == two[name]).all() for name in one)


def test_the_last_previews_are_listened_to_and_the_report_says_what_was_heard(recipe: Recipes, home: Path) -> None:
    job, events = collector()
    done = acetune.train(recipe(**{**PLAYED, "preview__every": 2}, schedule__steps=2), name="run", home=home, job=job)
    found = json.loads((done.folder / "evaluation" / "audition.json").read_text())

    assert [piece["seed"] for piece in found["pieces"]] == [42, 42] and found["step"] == 2
    assert found["compared"] == found["songs"] == 5 and found["copies"] == []
    assert "Do the previews do what was asked?" in acetune.report("run", home=home).read_text()

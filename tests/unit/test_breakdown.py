"""Where the loss is: by t and by song."""

from __future__ import annotations

from pathlib import Path

import pytest

from acetune.events import StepDone
from acetune.monitor import breakdown
from acetune.monitor.breakdown import HeldOutTime, TimeLoss
from acetune.monitor.report import report
from recorded import recorded_run


def step(number: int, *crops: tuple[int, float, float]) -> StepDone:
    return StepDone(step=number, loss=0.5, lr=1e-4, grad_norm=1.0, seconds=0.1, crops=[list(crop) for crop in crops])


STEPS = [step(1, (0, 0.95, 0.4), (1, 0.31, 1.0)), step(2, (0, 0.33, 2.0), (1, 1.0, 0.2))]


def test_losses_are_averaged_by_t_over_each_half_of_the_run() -> None:
    assert breakdown.by_time(STEPS) == (TimeLoss(0.3, 0.4, 2, 1.0, 2.0), TimeLoss(0.9, 1.0, 2, 0.4, 0.2))


def test_a_bin_that_a_half_did_not_see_has_no_loss_there() -> None:
    assert breakdown.by_time([step(1), step(2, (0, 0.95, 0.4))]) == (TimeLoss(0.9, 1.0, 1, None, 0.4),)


def test_songs_are_compared_at_equal_t_and_the_hardest_comes_first(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)
    first, second = breakdown.by_song(run, STEPS)

    assert (first.name, first.crops, first.loss) == ("song 0.ogg", 2, 1.2)
    assert first.ratio == pytest.approx((0.4 / 0.3 + 2.0 / 1.5) / 2)
    assert second.ratio == pytest.approx((1.0 / 1.5 + 0.2 / 0.3) / 2)


def test_clips_of_the_base_network_are_no_song(tmp_path: Path) -> None:
    assert breakdown.by_song(recorded_run(tmp_path), [step(1, (-1, 0.95, 0.4))]) == ()


def test_runs_of_before_have_no_breakdown(tmp_path: Path) -> None:
    run = recorded_run(tmp_path)

    assert breakdown.by_time([step(1)]) == breakdown.by_song(run, [step(1)]) == ()


def test_held_out_losses_are_compared_at_each_t(tmp_path: Path) -> None:
    found = breakdown.held_out(recorded_run(tmp_path), 40)

    assert found == (
        HeldOutTime(0.3, pytest.approx(0.735), pytest.approx(0.715)),
        HeldOutTime(0.7, pytest.approx(0.9), pytest.approx(0.88)),
    )


def test_the_report_shows_both_and_the_hardest_song_first(tmp_path: Path) -> None:
    recorded_run(tmp_path)
    text = report("album", home=tmp_path).read_text(encoding="utf-8")
    songs = text[text.index("the hardest first") :]

    assert "Training loss by t, 2 bins" in text and "Held-out loss by t, 2 times" in text
    assert songs.index("song 7.ogg") < songs.index("song 3.ogg")

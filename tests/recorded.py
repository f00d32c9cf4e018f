"""Run folders as a training leaves them, written without one: for readers such as the report and the console."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Mapping
from pathlib import Path

from acetune import files, recipe
from acetune.events import (
    Event,
    Noticed,
    PreviewReady,
    Saved,
    StageEnded,
    StageStarted,
    StepDone,
    Validated,
)
from acetune.run import Run

STARTED = 1_790_000_000.0
STEPS = 40

LEARNED: Mapping[str, object] = {
    "verdict": "learned",
    "reason": "interval below zero",
    "mode": "songs",
    "best_step": 40,
    "step": 40,
    "difference": -0.0213,
    "low": -0.0301,
    "high": -0.0125,
    "units": 8,
}

RESULT = {
    "adapter": "adapter/album_final.safetensors",
    "rank": 8,
    "alpha": 8.0,
    "scale": 1.0,
    "variant": "tiny",
    "family": "acestep_v15",
    "trigger": "zxband",
    "steps": STEPS,
    "fingerprint": "0123456789abcdef",
    "embedded": True,
}


def recorded_run(
    home: Path,
    *,
    name: str = "album",
    values: Mapping[str, object] | None = None,
    verdict: Mapping[str, object] | None = LEARNED,
    upto: int = STEPS,
    outcome: str | None = "done",
    caption: str = "zxband, warm lo-fi piano",
) -> Run:
    """Return a run of 40 steps in a workspace, or of the first ``upto`` of them.

    Args:
        home: The workspace.
        name: Of the run.
        values: Knobs that differ from the defaults.
        verdict: Content of verdict.json; None for none.
        upto: Last step that was done.
        outcome: How the training ended; None if it never said.
        caption: Of the previews.
    """
    run = Run(home / "runs" / name)
    run.folder.mkdir(parents=True)
    recipe.save(recipe.resolve([("test", values or {})]).recipe, run.recipe_file)
    plan = {"steps": STEPS, "epochs": 5.0, "tracks": 8, "minutes_of_music": 4.0, "warnings": ["Short songs."]}
    files.write_json(run.folder / "plan.json", plan)
    for event in events(upto, outcome, caption):
        run.append_event(event)
    run.record_tracks({"train": [(f"song {n}.ogg", None) for n in range(8)]})
    _evaluate(run)
    if verdict is not None:
        files.write_json(run.evaluation / "verdict.json", dict(verdict))
    if outcome == "done":
        _write_adapters(run)
        for strength in (0, 1):
            tone(run.previews / f"x{strength}.wav", 220.0 * (1 + strength))
    return run


def events(upto: int = STEPS, outcome: str | None = "done", caption: str = "piano") -> list[Event]:
    """Return what a training reports, in order."""
    found: list[Event] = [
        Noticed(code="data.too_short", message="b.wav lasts 0.20 s.", subject="b.wav", time=STARTED - 5),
        StageStarted(stage="train", total=STEPS, unit="steps", time=STARTED),
    ]
    for step in range(1, upto + 1):
        found.append(step_done(step))
        if step % 10 == 0:
            found.append(Saved(path=f"checkpoints/{step:06d}", what="checkpoint", step=step, time=STARTED + step))
            found.append(validated(step))
    if outcome is not None:
        result = RESULT if outcome == "done" else {"steps": upto}
        found.append(StageEnded(stage="train", outcome=outcome, result=dict(result), time=STARTED + upto + 1))
    if outcome == "done":
        for strength in (0, 1):
            path = f"previews/x{strength}.wav"
            found.append(PreviewReady(path=path, caption=caption, strength=strength, seed=7, time=STARTED + 60))
    return found


def step_done(step: int) -> StepDone:
    """Return a step whose loss falls from 1 towards 0.5, with a wobble; half a second each."""
    loss = 0.5 + 0.5 * math.exp(-step / 15) + 0.05 * math.sin(step)
    crops = [[step % 8, 0.95 if step % 2 else 0.3, loss], [7, 0.3, loss + 0.1]]
    return StepDone(step=step, loss=loss, lr=1e-4, grad_norm=1.0, seconds=0.5, crops=crops, time=STARTED + step / 2)


def validated(step: int) -> Validated:
    """Return a validation that gets better with each step."""
    gain = -0.0213 * step / STEPS
    return Validated(
        step=step,
        loss=0.8 + gain,
        base_loss=0.8,
        difference=gain,
        low=gain - 0.009,
        high=gain + 0.009,
        units=8,
        best=True,
        time=STARTED + step,
    )


def tone(path: Path, hertz: float, *, seconds: float = 0.1) -> None:
    """Write a sound."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = [round(8000 * math.sin(2 * math.pi * hertz * n / 8000)) for n in range(round(8000 * seconds))]
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(8000)
        stream.writeframes(struct.pack(f"<{len(frames)}h", *frames))


def _evaluate(run: Run) -> None:
    """Write held-out losses at the start and at the end."""
    for name, gain in (("base", 0.0), ("000040", -0.02)):
        units = [{"name": f"song {n}.ogg", "losses": [0.7 + n / 100 + gain, 0.9 + gain]} for n in range(8)]
        step = 0 if name == "base" else 40
        files.write_json(
            run.evaluation / f"{name}.json", {"step": step, "mode": "songs", "times": [0.3, 0.7], "units": units}
        )


def _write_adapters(run: Run) -> None:
    """Write files where adapters lie."""
    files.write_bytes(run.adapters / f"{run.name}_20steps.safetensors", bytes(1000))
    files.write_bytes(run.adapters / f"{run.name}_final.safetensors", bytes(1000))
    files.write_bytes(run.adapters / f"{run.name}_final" / "adapter_model.safetensors", bytes(1000))

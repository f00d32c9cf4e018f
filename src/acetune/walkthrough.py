"""The verb `quickstart`: from songs to a checked adapter and a report, in one process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from acetune.annotation.annotate import annotate
from acetune.audio.songs import album, write_demo_songs
from acetune.data import manifest as manifests
from acetune.data.captions import forms
from acetune.data.scan import scan
from acetune.data.split import split
from acetune.encoding.parts import prompt_of
from acetune.events import Event, Job, PreviewReady, StageEnded, StageStarted
from acetune.generation.generate import generate
from acetune.generation.request import Request
from acetune.monitor.report import report
from acetune.recipe import Recipe, resolve
from acetune.run import Run
from acetune.sections import WHOLE
from acetune.training.outcome import TrainResult
from acetune.training.train import train
from acetune.workspace import Workspace

#: Longest before/after piece, in seconds.
_PREVIEW_SECONDS = 30.0


@dataclass(frozen=True)
class QuickstartResult:
    """What a quickstart made."""

    report: Path
    run: Path
    adapter: Path
    verdict: str


def quickstart(
    folder: str | Path | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    name: str | None = None,
    home: str | Path | None = None,
    job: Job | None = None,
) -> QuickstartResult:
    """Make or take songs, scan, annotate, encode, train, validate, export, generate before and after, report.

    Args:
        folder: Songs; eight short ones are made where None.
        settings: Knobs, flat or nested, such as ``{"model.variant": "turbo"}``.
        name: Of the run; a free one is found where None.
        home: Workspace folder.
        job: Hears every stage; can stop.

    Raises:
        DataError, SettingError, MissingDependency, ResourceError, TrainingDiverged, Stopped: As the verbs it calls.
    """
    job = job or Job()
    workspace = Workspace.at(home)
    folder = Path(folder) if folder else _demo(workspace, job)
    scan(folder, job=job)
    annotate(folder, job=job)
    recipe = resolve([("quickstart", {**(settings or {}), "data.dataset": str(folder.absolute())})]).recipe
    trained = train(
        recipe, name=name or "quickstart", on_existing="new" if name is None else "refuse", home=home, job=job
    )
    run = Run(trained.folder)
    job = job.also(lambda event: run.append_event(_inside(event, run)))
    for request in _requests(recipe, folder, trained, run):
        generate(request, home=home, job=job)
    return QuickstartResult(report(trained.folder, home=home), trained.folder, trained.adapter, trained.verdict)


def _inside(event: Event, run: Run) -> Event:
    """Return an event whose audio is named from the run's folder, so that the folder can move."""
    if isinstance(event, PreviewReady):
        return replace(event, path=run.relative(Path(event.path)))
    return event


def _demo(workspace: Workspace, job: Job) -> Path:
    """Write the songs of one made-up band; they are the same each time, so what is encoded stays valid."""
    folder = workspace.home / "demo-songs"
    job.report(StageStarted(stage="songs", total=8, unit="songs"))
    songs = write_demo_songs(album(), folder)
    job.report(StageEnded(stage="songs", result={"folder": str(folder), "songs": len(songs)}))
    return folder


def _requests(recipe: Recipe, folder: Path, trained: TrainResult, run: Run) -> tuple[Request, ...]:
    """Return the before/after pieces: the prompt of the first song that was trained on, same noise both times."""
    manifest = manifests.load(folder)
    track = split(manifest.tracks, recipe.data.holdout, recipe.data.seed).train[0]
    caption = forms(track, manifest.settings.trigger, manifest.settings.trigger_position)["caption"]
    prompt = prompt_of(track, caption, _PREVIEW_SECONDS)
    request = Request(
        **vars(prompt),
        variant=recipe.model.variant,
        model_path=recipe.model.path,
        adapter=trained.adapter,
        strengths=(0.0, 1.0),
        seeds=(recipe.data.seed,),
        out=run.previews / "preview.ogg",
        device=recipe.compute.device,
        dtype=recipe.compute.dtype,
    )
    if recipe.adapter.kind != WHOLE:
        return (request,)
    base = replace(request, adapter=None, strengths=(0.0,), out=run.previews / "before.ogg")
    model = str(trained.adapter)
    return base, replace(base, model_path=model, strengths=(1.0,), out=run.previews / "after.ogg")

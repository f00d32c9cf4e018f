"""The verb `export`: a trained adapter for other programs, read back and compared before it counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acetune import catalog, compute
from acetune.adapters import adapter as adapters
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter
from acetune.errors import AcetuneError, SettingError
from acetune.events import Job, Saved, StageEnded, StageStarted
from acetune.families.adapter_names import read_adapter
from acetune.families.family import ModelFamily
from acetune.formats.format import TOLERANCE, Bench, Format, export_checked
from acetune.recipe import Recipe, family_of, resolve
from acetune.run import Run
from acetune.workspace import Workspace

#: What makes a folder an adapter of ours.
_ADAPTER_FILES = ("adapter_config.json", "adapter.safetensors")


def export(
    source: str | Path,
    *,
    to: Sequence[str] = ("universal",),
    out: str | Path | None = None,
    dtype: str = "bfloat16",
    home: str | Path | None = None,
    job: Job | None = None,
) -> tuple[Path, ...]:
    """Write an adapter in other formats; each is read back, key by key, and run against the original.

    Args:
        source: A run (its newest checkpoint), a checkpoint folder, or an adapter file that acetune wrote.
        to: Formats (``acetune.catalog.EXPORTERS``).
        out: Folder to write into; the run's own adapter folder, or the file's, where None.
        dtype: Number format of the weights.
        home: Workspace folder.
        job: Hears what was written.

    Returns:
        The files and folders written.

    Raises:
        SettingError: For unknown formats, number formats or runs.
        WrongAdapter: If the source is no adapter of ours, does not fit its base network, or is of a kind that a
            format cannot hold.
        CorruptFile: If a written file does not give the adapter back; it is deleted.
    """
    job = job or Job()
    forms: list[Format] = [catalog.resolve("exporter", name) for name in to]
    if dtype not in TOLERANCE:
        raise SettingError("formats.no_dtype", dtype=dtype, known=", ".join(TOLERANCE))
    workspace = Workspace.at(home)
    adapter, recipe, folder, stem = _source(source, workspace)
    for form in forms:
        refused = form.refusal(adapter.facts)
        if refused:
            raise refused
    card, _ = family_of(adapter.facts.variant)
    job.report(StageStarted(stage="export", total=len(forms), unit="formats"))
    family: ModelFamily = card.open(recipe, workspace.models, job)
    device = compute.device(recipe.compute.device)
    network = family.load_network(device, compute.dtype(recipe.compute.dtype, device))
    attach.attach_trained(network, adapter)
    written = []
    for form in forms:
        target = form.target(Path(out) if out else folder, stem)
        moved = export_checked(form, adapter, card, target, dtype, Bench(family, network))
        caveat = form.caveat(adapter, card)
        if caveat:
            job.tell(caveat, subject=target.name)
        job.report(Saved(path=str(target), what=form.name, step=adapter.facts.step))
        job.tell(AcetuneError("formats.checked", name=target.name, moved=moved), severity="info")
        written.append(target)
    job.report(StageEnded(stage="export", result={"files": [str(path) for path in written]}))
    return tuple(written)


def _source(source: str | Path, workspace: Workspace) -> tuple[Adapter, Recipe, Path, str]:
    """Return adapter, recipe of its base, folder and file stem of a run, checkpoint or file."""
    path = Path(source)
    if path.suffix == ".safetensors" or any((path / name).is_file() for name in _ADAPTER_FILES):
        adapter = read_adapter(path)
        recipe = resolve([("adapter", {"model.variant": adapter.facts.variant})]).recipe
        return adapter, recipe, path.parent, f"{adapter.facts.name or path.stem}_{adapter.facts.step}steps"
    run = Run(workspace.find_run(source))
    last = (
        (run.checkpoints / "last").read_text(encoding="utf-8").strip() if (run.checkpoints / "last").is_file() else ""
    )
    if not last:
        raise SettingError("formats.no_checkpoint", run=run.name)
    adapter = adapters.load(run.checkpoints / last / "adapter.safetensors")
    return adapter, run.recipe, run.adapters, f"{run.name}_{adapter.facts.step}steps"

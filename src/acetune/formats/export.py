"""The verb `export`: what was trained for other programs, read back and compared before it counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from acetune import catalog, compute
from acetune.adapters import attach, trained
from acetune.adapters.adapter import Adapter
from acetune.errors import AcetuneError, SettingError
from acetune.events import Job, Saved, StageEnded, StageStarted
from acetune.families.family import ModelFamily
from acetune.formats.destination import Destination, safe_name
from acetune.formats.format import TOLERANCE, Bench, Format, export_checked
from acetune.formats.model import MERGED, MODEL, write_merged, write_model
from acetune.formats.placing import refuse
from acetune.formats.sources import AdapterFile
from acetune.recipe import Recipe, family_of, resolve
from acetune.run import Run, recommended_strength
from acetune.sections import WHOLE
from acetune.workspace import Workspace

#: What makes a folder an adapter of ours.
_ADAPTER_FILES = ("adapter_config.json", "adapter.safetensors")
#: Number formats by the names that people type.
_SHORT = MappingProxyType({"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"})


def export(
    source: str | Path | AdapterFile,
    *,
    to: Sequence[str] = (),
    out: str | Path | Destination | None = None,
    dtype: str = "bfloat16",
    home: str | Path | None = None,
    job: Job | None = None,
) -> tuple[Path, ...]:
    """Write an adapter in other formats, or a whole model; each is read back, key by key, and an adapter is run too.

    Args:
        source: A run (its newest checkpoint), a checkpoint folder, or an adapter file; an
            `acetune.formats.sources.AdapterFile` says what another trainer's file does not.
        to: Formats (``acetune.catalog.EXPORTERS``); universal where none is named. All weights make a "model".
        out: Folder to write into; the run's own adapter folder, or the file's, where None. A
            `acetune.formats.destination.Destination` also names files for a release, or finds ComfyUI's folder.
        dtype: Number format of the weights, also as bf16, fp16 or fp32.
        home: Workspace folder.
        job: Hears what was written.

    Returns:
        The files and folders written.

    Raises:
        SettingError: For unknown formats, number formats, runs or a ComfyUI that is not there; if a file would take the
            place of the source, or of something that acetune did not write.
        WrongAdapter: If the source is no adapter that can be read, does not fit its base network, or is of a kind that
            a format cannot hold.
        CorruptFile: If a written file does not give the adapter back; it takes no place.
    """
    job = job or Job()
    dtype = dtype_of(dtype)
    workspace = Workspace.at(home)
    adapter, recipe, folder, name = _source(source, workspace, job)
    where = out if isinstance(out, Destination) else Destination(folder=Path(out) if out else None)
    stem = where.stem(name, adapter.facts)
    card, _ = family_of(adapter.facts.variant)
    if adapter.facts.kind == WHOLE:
        if set(to) - {MODEL}:
            raise SettingError("formats.whole_model", formats=", ".join(to))
        target = where.place(folder, (MODEL,)) / stem
        refuse(target, _place(source))
        return (_export_model(adapter, recipe, target, dtype, workspace.models, job),)
    names = to or ("universal",)
    forms: list[Format] = [catalog.resolve("exporter", name) for name in names if name != MERGED]
    folder = where.place(folder, names)
    for form in forms:
        refused = form.refusal(adapter.facts)
        if refused:
            raise refused
    merged = folder / f"{stem}_{MERGED}"
    for target in (*(form.target(folder, stem) for form in forms), *([merged] if MERGED in names else [])):
        refuse(target, _place(source))
    job.report(StageStarted(stage="export", total=len(names), unit="formats"))
    family: ModelFamily = card.open(recipe, workspace.models, job)
    bench = _bench(family, adapter, recipe) if forms else None
    written = _export_files(forms, adapter, bench, (folder, stem), dtype, job) if bench else []
    del bench  # merging wants the memory
    if MERGED in names:
        moved = write_merged(family, adapter, merged, dtype)
        _report(job, merged, MERGED, adapter.facts.step, moved)
        written.append(merged)
    job.report(StageEnded(stage="export", result={"files": [str(path) for path in written]}))
    return tuple(written)


def _export_files(
    forms: Sequence[Format], adapter: Adapter, bench: Bench, place: tuple[Path, str], dtype: str, job: Job
) -> list[Path]:  # fmt: skip
    """Write an adapter in each format, checked on its network, and return the files."""
    card, _ = family_of(adapter.facts.variant)
    written = []
    for form in forms:
        target = form.target(*place)
        moved = export_checked(form, adapter, card, target, dtype, bench)
        caveat = form.caveat(adapter, card)
        if caveat:
            job.tell(caveat, subject=target.name)
        _report(job, target, form.name, adapter.facts.step, moved)
        written.append(target)
    return written


def _bench(family: ModelFamily, adapter: Adapter, recipe: Recipe) -> Bench:
    """Return the network of a recipe with an adapter on it."""
    device = compute.device(recipe.compute.device)
    network = family.load_network(device, compute.dtype(recipe.compute.dtype, device))
    attach.attach_trained(network, adapter)
    return Bench(family, network)


def _report(job: Job, target: Path, what: str, step: int, moved: float) -> None:
    """Say that a file is written and how it compares."""
    job.report(Saved(path=str(target), what=what, step=step))
    job.tell(AcetuneError("formats.checked", name=target.name, moved=moved), severity="info")


def dtype_of(name: str) -> str:
    """Return torch's name of a number format.

    Raises:
        SettingError: If weights are not written in it.
    """
    dtype = _SHORT.get(name, name)
    if dtype not in TOLERANCE:
        raise SettingError("formats.no_dtype", dtype=dtype, known=", ".join(TOLERANCE))
    return dtype


def _export_model(model: Adapter, recipe: Recipe, target: Path, dtype: str, models: Path, job: Job) -> Path:
    """Write all weights that a run trained as a model, and return its folder."""
    card, _ = family_of(model.facts.variant)
    job.report(StageStarted(stage="export", total=1, unit="formats"))
    family: ModelFamily = card.open(recipe, models, job)
    write_model(family, model, target, dtype)
    job.report(Saved(path=str(target), what=MODEL, step=model.facts.step))
    job.report(StageEnded(stage="export", result={"files": [str(target)]}))
    return target


def _place(source: str | Path | AdapterFile) -> Path:
    """Return the file or folder that was named."""
    return source.path.expanduser() if isinstance(source, AdapterFile) else Path(source)


def _source(source: str | Path | AdapterFile, workspace: Workspace, job: Job) -> tuple[Adapter, Recipe, Path, str]:
    """Return adapter, recipe of its base, folder and name of a run, checkpoint or file."""
    if isinstance(source, AdapterFile):
        adapter = source.read(job)
        recipe = resolve([("adapter", {"model.variant": adapter.facts.variant})]).recipe
        return adapter, recipe, source.path.parent, safe_name(adapter.facts.name, source.path.stem)
    path = Path(source)
    if path.suffix == ".safetensors" or any((path / name).is_file() for name in _ADAPTER_FILES):
        return _source(AdapterFile(path), workspace, job)
    inside = (path / trained.NETWORK).is_dir()
    run = Run(path.absolute().parents[1] if inside else workspace.find_run(source))
    pointer = run.checkpoints / "last"
    last = pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else ""
    if not last:
        raise SettingError("formats.no_checkpoint", run=run.name)
    adapter = trained.load(path if inside else run.checkpoints / last)
    strength = recommended_strength(run, adapter.facts.step) or adapter.facts.strength
    adapter = Adapter(adapter.weights, replace(adapter.facts, strength=strength))
    return adapter, run.recipe, run.adapters, run.name

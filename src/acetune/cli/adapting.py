"""Commands about adapter files: look at them, compare, convert, and make new ones of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from acetune.catalog import resolve
from acetune.cli.gathering import with_options
from acetune.cli.results import Where
from acetune.cli.session import Session, pretty, session_of
from acetune.cli.tables import align

if TYPE_CHECKING:
    from acetune.adapters.arithmetic import Kept
    from acetune.formats.inspecting import Difference, Inspection
    from acetune.formats.sources import AdapterFile

File = Annotated[
    Path, typer.Argument(metavar="ADAPTER", help="File, folder or checkpoint of any trainer.", show_default=False)
]
Out = Annotated[
    Path, typer.Option("--out", "-o", help="File to write (.safetensors); none is overwritten.", show_default=False)
]
Rank = Annotated[int | None, typer.Option(help="Largest rank of a layer.", show_default="as many as it has")]
Energy = Annotated[
    float, typer.Option(help="Share of each layer's squared singular values to keep; ranks differ then.")
]
Dtype = Annotated[str, typer.Option(help="Number format of the weights: bf16, fp16, fp32.")]
Variant = Annotated[
    str | None, typer.Option("--variant", help="What it was trained on, where it does not say.", show_default=False)
]
Alpha = Annotated[
    float | None,
    typer.Option("--alpha", help="Alpha of the training, where the file says none or a wrong one.", show_default=False),
]
_FLOAT = "float32"


@dataclass(frozen=True)
class Conversion(Where):
    """What another trainer's file does not say, beside where the new ones go."""

    variant: Variant = None
    alpha: Alpha = None


@dataclass(frozen=True)
class Cut:
    """How much of each layer is kept."""

    rank: Rank = None
    energy: Energy = 1.0


@dataclass(frozen=True)
class Resizing(Cut):
    """How an adapter is resized."""

    dtype: Dtype = _FLOAT
    variant: Variant = None


@dataclass(frozen=True)
class Extracting(Cut):
    """How a difference is extracted."""

    base: Annotated[
        Path | None, typer.Option(help="Weights of that, where they are in no usual place.", show_default=False)
    ] = None


def inspect(context: typer.Context, adapter: File, variant: Variant = None, alpha: Alpha = None) -> None:
    """Show what is in an adapter: kind, rank, alpha, scale, layers and their norms, trigger, base, training.

    Files of other trainers are read under their own names. Where such a file does not say what it was trained on, the
    variants that it fits are listed.
    """
    session = session_of(context)
    found: Inspection = resolve("adapter tool", "inspect")(_file(adapter, variant, alpha), job=session.job)
    facts = {name: value for name, value in found.facts.items() if name not in _SHOWN and value not in (None, "", {})}
    rows = [
        ["variant", ", ".join(found.fits)], ["kind", found.kind], ["rank", str(found.rank)],
        ["alpha", f"{found.alpha:g}"], ["scale", f"{found.scale:g}"], ["layers", str(len(found.layers))],
        ["weights", f"{found.weights} ({found.dtype})"], *([name, pretty(value)] for name, value in facts.items()),
    ]  # fmt: skip
    heads = [session.words(f"column_{name}") for name in ("layer", "rank", "norm")]
    layers = [[layer.name, str(layer.rank), f"{layer.norm:.4g}"] for layer in found.layers]
    session.finish(vars(found), *align([], rows), "", *align(heads, layers))


def diff(
    context: typer.Context,
    first: File,
    second: Annotated[Path, typer.Argument(metavar="OTHER", help="The other one.", show_default=False)],
    variant: Variant = None,
) -> None:
    """Compare two adapters: facts, layers, and how far apart their changes are."""
    session = session_of(context)
    found: Difference = resolve("adapter tool", "diff")(
        _file(first, variant), _file(second, variant), job=session.job
    )  # fmt: skip
    rows = [[name, *map(pretty, values)] for name, values in found.facts.items()]
    layers = [[layer.name, f"{layer.cosine:.4f}", f"{layer.apart:.4f}"] for layer in found.layers]
    lone = [f"- {name}" for name in found.only_first] + [f"+ {name}" for name in found.only_second]
    heads = [session.words(f"column_{name}") for name in ("layer", "cosine", "apart")]
    total = session.words("adapters_apart", apart=found.apart)
    session.finish(vars(found), *align([], rows), *lone, *align(heads, layers), total)


def verify(context: typer.Context, adapter: File, variant: Variant = None, alpha: Alpha = None) -> None:
    """Load an adapter on its base, and say which programs would read it wrongly, in part, or not at all."""
    session = session_of(context)
    found = resolve("adapter tool", "verify")(_file(adapter, variant, alpha), home=session.home, job=session.job)
    heads = [session.words(f"column_{name}") for name in ("program", "outcome", "strength", "ignored")]
    rows = [
        [one.program, session.words(f"reads_{one.outcome.replace(' ', '_')}"), f"{one.strength:g}",
         f"{one.ignored} {one.first}" if one.ignored else "0"]
        for one in found.readings
    ]  # fmt: skip
    fits = session.words("adapter_fits", layers=found.layers, variant=found.variant, moved=found.moved)
    other = [session.words("adapter_other_base")] if found.same_base is False else []
    session.finish(vars(found), fits, *other, *align(heads, rows))


@with_options(Conversion)
def convert(
    context: typer.Context,
    adapter: File,
    options: Conversion,
    to: Annotated[list[str] | None, typer.Option(help="Format; again for more.", show_default="universal")] = None,
    dtype: Dtype = "bfloat16",
) -> None:
    """Write any adapter in another format, as `acetune export` does: read back, compared and run on its base."""
    from acetune.formats.destination import Destination

    session = session_of(context)
    where = Destination(folder=options.out, comfyui=options.install_to, release=options.release)
    source = _file(adapter, options.variant, options.alpha)
    paths = resolve("verb", "export")(
        source, to=tuple(to or ()), out=where, dtype=dtype, home=session.home, job=session.job
    )
    session.finish({"paths": paths}, *map(str, paths))


@with_options(Resizing)
def resize(context: typer.Context, adapter: File, out: Out, options: Resizing) -> None:
    """Write LoRA with lower ranks that keeps the largest part of what an adapter does, layer by layer.

    LoKr and LoHa become LoRA this way.
    """
    from acetune.adapters.arithmetic import Size

    session = session_of(context)
    kept = resolve("adapter tool", "resize")(
        _file(adapter, options.variant), out, Size(options.rank, options.energy), dtype=options.dtype, job=session.job
    )
    _show_kept(session, out, kept)


def merge(
    context: typer.Context,
    adapters: Annotated[
        list[Path], typer.Argument(metavar="ADAPTER ...", help="Adapters of one model.", show_default=False)
    ],
    out: Out,
    weight: Annotated[
        list[float] | None, typer.Option(help="Strength of each, in their order.", show_default="1 each")
    ] = None,
    dtype: Dtype = _FLOAT,
    variant: Variant = None,
) -> None:
    """Write one adapter that does what several do together, exactly; ranks add up, `resize` takes them down.

    A negative weight takes an adapter away again. Into the base instead: `acetune export ADAPTER --to merged`.
    """
    session = session_of(context)
    shares = tuple(weight or [1.0] * len(adapters))
    facts = resolve("adapter tool", "merge")(
        [_file(path, variant) for path in adapters], shares, out, dtype=dtype, job=session.job
    )
    session.finish({"path": out, "facts": facts}, str(out))


def scale(
    context: typer.Context,
    adapter: File,
    out: Out,
    by: Annotated[float, typer.Option("--by", help="Strength that becomes 1.", show_default=False)],
    dtype: Dtype = _FLOAT,
    variant: Variant = None,
) -> None:
    """Write an adapter that does at strength 1 what this one does at another."""
    session = session_of(context)
    facts = resolve("adapter tool", "scale")(_file(adapter, variant), out, by, dtype=dtype, job=session.job)
    session.finish({"path": out, "facts": facts}, str(out))


def strip(
    context: typer.Context, adapter: File, out: Out, dtype: Dtype = _FLOAT, variant: Variant = None
) -> None:  # fmt: skip
    """Write an adapter without what only people want to know: trigger, name, training facts."""
    session = session_of(context)
    gone = resolve("adapter tool", "strip")(_file(adapter, variant), out, dtype=dtype, job=session.job)
    session.finish({"path": out, "removed": gone}, str(out), ", ".join(gone))


@with_options(Extracting)
def extract(
    context: typer.Context,
    tuned: Annotated[Path, typer.Argument(metavar="MODEL", help="Weights of the tuned model.", show_default=False)],
    out: Out,
    variant: Annotated[str, typer.Option(help="What it was tuned from.", show_default=False)],
    options: Extracting,
) -> None:
    """Write LoRA of what a tuned model is more than its base: the largest part of the difference of its layers."""
    from acetune.adapters.arithmetic import Size
    from acetune.formats.tools import Tuned

    session = session_of(context)
    kept = resolve("adapter tool", "extract")(
        Tuned(tuned, variant, options.base), out, Size(options.rank, options.energy), home=session.home, job=session.job
    )
    _show_kept(session, out, kept)


COMMANDS: Mapping[str, Callable[..., None]] = {
    "inspect": inspect, "diff": diff, "verify": verify, "convert": convert, "resize": resize, "merge": merge,
    "extract": extract, "scale": scale, "strip": strip,
}  # fmt: skip
#: Facts that have a row of their own.
_SHOWN = ("variant", "kind", "rank", "alpha", "trained_alpha", "modules", "ranks", "rslora")


def _file(path: Path, variant: str | None, alpha: float | None = None) -> AdapterFile:
    """Return an adapter file with what was said of it."""
    from acetune.formats.sources import AdapterFile

    return AdapterFile(path, variant, alpha)


def _show_kept(session: Session, out: Path, kept: Sequence[Kept]) -> None:
    """Show where a result is and what was kept of each layer."""
    heads = [session.words(f"column_{name}") for name in ("layer", "rank", "energy")]
    rows = [[one.layer, f"{one.before} -> {one.rank}", f"{one.energy:.4f}"] for one in kept]
    session.finish({"path": out, "layers": kept}, *align(heads, rows), str(out))

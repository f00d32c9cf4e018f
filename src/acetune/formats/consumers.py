"""What each program makes of an adapter file, by its names and alphas, without running it.

The rules are those of ComfyUI 0.20.1, diffusers 0.42.1, PEFT 0.21, the official app (8 Feb 2026 and later) and what is
documented of acestep.cpp and HOT-Step; diffusers' are held against its own loader in the tests.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal

from acetune import compute
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter, module_of, scale
from acetune.events import Job
from acetune.families.adapter_names import PREFIX, SPELLINGS, is_ours
from acetune.families.family import FamilyCard, ModelFamily
from acetune.families.foreign_adapters import scale_of
from acetune.families.foreign_files import ForeignFile, read_foreign, weights_file
from acetune.formats.format import probe_velocity
from acetune.formats.sources import AdapterFile
from acetune.recipe import family_of, resolve
from acetune.workspace import Workspace

if TYPE_CHECKING:
    from torch import Tensor

Outcome = Literal["exact", "other strength", "part", "nothing", "garbage", "refused"]
#: Parts of names that ComfyUI knows after a layer's name.
_COMFYUI_PARTS: Final = re.compile(
    r"\.(lora_(up|down|mid)\.weight|lora_[AB](\.default)?(\.weight)?|lora\.(up|down)\.weight|alpha|dora_scale"
    r"|hada_(w[12]_[ab]|t[12])|lokr_(w[12](_[ab])?|t2)|oft_blocks|diff(_b)?)$"
)
_COMFYUI_NAMES: Final = ("official", "lycoris", "comfyui", "kohya")


@dataclass(frozen=True)
class Reading:
    """What a program makes of a file.

    Attributes:
        program: Which.
        outcome: "exact", or what goes wrong.
        strength: What it applies as a share of what was trained; 0 for nothing.
        ignored: How many of the file's tensors it does not read.
        first: One of them.
    """

    program: str
    outcome: Outcome
    strength: float
    ignored: int = 0
    first: str = ""


@dataclass(frozen=True)
class Verification:
    """What came of an adapter on its base.

    Attributes:
        variant: The base.
        layers: How many layers fit, which is all of them.
        moved: Largest change of the velocity, as a share of the largest velocity.
        same_base: Whether the base has the fingerprint that the adapter names; None where it names none.
        readings: What each program makes of the file.
    """

    variant: str
    layers: int
    moved: float
    same_base: bool | None
    readings: tuple[Reading, ...]


@dataclass(frozen=True)
class _Case:
    """A file as programs see it, and the truth about it.

    Attributes:
        tensors, file: Of it; ``file`` has header and configuration, read as everybody's.
        folder: Whether it is one with adapter_config.json.
        lengths: Whether DoRA's lengths are there, by the name that PEFT gives them.
        kind: Of the adapter.
        true: The scale that was trained.
        modules: Layers by the names that they have in the file.
        card, ours: The family, and our names of the layers.
    """

    tensors: Mapping[str, Tensor]
    file: ForeignFile
    folder: bool
    kind: str
    true: float
    modules: tuple[str, ...]
    card: FamilyCard
    ours: tuple[str, ...]


def verify(source: AdapterFile, *, home: Path | None = None, job: Job | None = None) -> Verification:
    """Put an adapter on its base, and say what other programs would make of the file.

    Args:
        source: The adapter; ``variant`` names the base where it is another trainer's.
        home: Workspace folder.
        job: Hears what a foreign file does not say.

    Raises:
        WrongAdapter: If it cannot be read, or does not fit the base.
        MissingDependency: If the weights of the base are not here.
    """
    job = job or Job()
    adapter = source.read(job)
    card, variant = family_of(adapter.facts.variant)
    recipe = resolve([("verify", {"model.variant": variant.name})]).recipe
    family: ModelFamily = card.open(recipe, Workspace.at(home).models, job)
    device = compute.device("auto")
    network = family.load_network(device, compute.dtype("auto", device))
    before = probe_velocity(family, network)
    attach.attach_trained(network, adapter)
    after = probe_velocity(family, network)
    said = adapter.facts.fingerprint
    return Verification(
        variant.name, len(adapter.facts.modules), float((after - before).abs().max() / before.abs().max()),
        said == family.fingerprint if said else None, readings(source, adapter, card),
    )  # fmt: skip


def readings(source: AdapterFile, adapter: Adapter, card: FamilyCard) -> tuple[Reading, ...]:
    """Return what each program makes of a file.

    Args:
        source: The file or folder.
        adapter: What it holds.
        card: Of its family.
    """
    path = source.path.expanduser()
    file = read_foreign(path)
    weights = weights_file(path)
    modules = tuple(dict.fromkeys(map(module_of, file.tensors)))
    one = adapter.facts.modules[0]
    true = scale(adapter.facts) if is_ours(weights) else _said_scale(file, source.alpha, (card.official_name(one), one))
    case = _Case(file.tensors, file, file.peft, adapter.facts.kind, true, modules, card, adapter.facts.modules)
    return tuple(judge(case) for judge in PROGRAMS.values())


def _said_scale(file: ForeignFile, alpha: float | None, names: tuple[str, str]) -> float:
    """Return the scale that another trainer meant, at the first layer of a file."""
    rank, own = _first_rank(file.tensors), _alpha(file.tensors)
    return scale_of(file, own if alpha is None else alpha, names, rank) if rank else 1.0


def _comfyui(case: _Case) -> Reading:
    """Return what ComfyUI reads: known names and parts; ``.alpha`` counts, a missing one is the rank."""
    spelt = {SPELLINGS[spelling](module, case.card) for module in case.ours for spelling in _COMFYUI_NAMES}
    lost = [
        name for name in case.tensors
        if module_of(_unslotted(name)) not in spelt or not _COMFYUI_PARTS.search(name)
    ]  # fmt: skip
    if case.kind == "oft":
        lost = list(case.tensors)
    rank, alpha = _first_rank(case.tensors), _alpha(case.tensors)
    applied = alpha / rank if alpha is not None and rank else 1.0
    return _reading("ComfyUI", case, lost, applied)


def _diffusers(case: _Case) -> Reading:
    """Return what diffusers 0.42.1 reads: LoRA and DoRA of PEFT, official files known by a q or k projection."""
    names = tuple(case.tensors)
    if any("lora" not in name for name in names):
        return Reading("diffusers", "refused", 0.0, len(names), next(n for n in names if "lora" not in n))
    if any(".default." in name for name in names):
        return Reading("diffusers", "garbage", 0.0)
    theirs = all(name.startswith("transformer.") for name in names)
    if any(name.startswith(("diffusion_model.", "lora_unet_", "lycoris_")) for name in names):
        return Reading("diffusers", "refused", 0.0, len(names), names[0])
    known_by = case.card.adapter_prefix and not theirs  # without a prefix, names are those of diffusers itself
    if known_by and not any(projection in name for name in names for projection in ("q_proj", "k_proj")):
        return Reading("diffusers", "nothing", 0.0, len(names), names[0])
    said = case.file.said if not case.folder else {}
    rank = _first_rank(case.tensors)
    alpha = said.get("lora_alpha")
    return _reading("diffusers", case, [], float(str(alpha)) / rank if alpha is not None and rank else 1.0)


def _peft(case: _Case) -> Reading:
    """Return what PEFT reads: a folder with adapter_config.json, names behind its prefix."""
    return _of_folder("PEFT", case)


def _official(case: _Case) -> Reading:
    """Return what the official app reads: such a folder, or a LoKr file of LyCORIS."""
    if case.kind == "lokr" and all(name.startswith("lycoris_") for name in case.tensors):
        return _reading("official app", case, [], case.true)
    return _of_folder("official app", case)


def _of_folder(program: str, case: _Case) -> Reading:
    """Return what a program makes of a folder of PEFT."""
    if not case.folder:
        return Reading(program, "refused", 0.0, len(case.tensors), next(iter(case.tensors)))
    known = {PREFIX + case.card.official_name(module) for module in case.ours}
    lost = [name for name in case.tensors if module_of(name) not in known or ".default." in name]
    return _reading(program, case, lost, case.true)


def _acestep_cpp(case: _Case) -> Reading:
    """Return what acestep.cpp reads: LoRA of one rank, official names, an alpha that is a whole number."""
    names = tuple(case.tensors)
    ranks = {value.shape[0] for name, value in case.tensors.items() if ".lora_A." in name}
    alphas = {float(value) for name, value in case.tensors.items() if name.endswith(".alpha")}
    known = {PREFIX + case.card.official_name(module) for module in case.ours}
    fits = case.kind == "lora" and set(map(module_of, names)) <= known
    if not fits or len(ranks) != 1 or len(alphas) != 1 or not all(alpha.is_integer() for alpha in alphas):
        return Reading("acestep.cpp", "refused", 0.0, len(names), names[0])
    return _reading("acestep.cpp", case, [], alphas.pop() / ranks.pop())


#: Who reads adapters, and how a case is judged.
PROGRAMS: Final[Mapping[str, Callable[[_Case], Reading]]] = MappingProxyType(
    {
        "ComfyUI": _comfyui,
        "diffusers": _diffusers,
        "official app": _official,
        "PEFT": _peft,
        "acestep.cpp": _acestep_cpp,
    }
)


def _reading(program: str, case: _Case, lost: list[str], applied: float) -> Reading:
    """Return the reading of a program that ignores some tensors and applies the others with this scale."""
    if len(lost) == len(case.tensors):
        return Reading(program, "nothing", 0.0, len(lost), lost[0])
    strength = applied / case.true if case.true else 1.0
    outcome: Outcome = "part" if lost else "exact" if abs(strength - 1) < 1e-6 else "other strength"
    return Reading(program, outcome, strength, len(lost), lost[0] if lost else "")


def _unslotted(name: str) -> str:
    """Return a name without PEFT's slot."""
    return name.replace(".default", "")


def _first_rank(tensors: Mapping[str, Tensor]) -> int:
    """Return the rank of the first layer that shows one; 0 where none does."""
    axes = {"lora_A": 0, "lora_down": 0, "hada_w1_b": 0, "lokr_w2_b": 0}
    return next((v.shape[axis] for n, v in tensors.items() for part, axis in axes.items() if f".{part}" in n), 0)


def _alpha(tensors: Mapping[str, Tensor]) -> float | None:
    """Return the first ``.alpha`` of a file."""
    return next((float(value) for name, value in tensors.items() if name.endswith(".alpha")), None)

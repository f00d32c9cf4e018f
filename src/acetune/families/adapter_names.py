"""Adapters under the names that other programs give to layers, and reading adapter files: ours and theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from acetune import catalog
from acetune.adapters import adapter as adapters
from acetune.adapters import trained
from acetune.adapters.adapter import Adapter, Facts, module_of
from acetune.errors import WrongAdapter
from acetune.events import Job
from acetune.families.family import FamilyCard
from acetune.families.foreign_adapters import doubts, fitting, foreign_adapter
from acetune.families.foreign_files import ForeignFile, read_foreign, weights_file
from acetune.recipe import family_of
from acetune.sections import WHOLE

if TYPE_CHECKING:
    from torch import Tensor

#: PEFT's prefix, relative to the network, in the folders that it saves.
PREFIX = "base_model.model."

#: How programs name a module of our network in adapter files: ours, PEFT's, the official app's, ComfyUI's, kohya's,
#: the LyCORIS library's, diffusers'.
SPELLINGS: Mapping[str, Callable[[str, FamilyCard], str]] = MappingProxyType(
    {
        "network": lambda module, card: module,
        "peft": lambda module, card: PREFIX + card.official_name(module),
        "official": lambda module, card: card.adapter_prefix + card.official_name(module),
        "comfyui": lambda module, card: "diffusion_model." + card.checkpoint_name(module),
        "kohya": lambda module, card: "lora_unet_" + card.checkpoint_name(module).replace(".", "_"),
        "lycoris": lambda module, card: "lycoris_" + card.official_name(module).replace(".", "_"),
        "diffusers": lambda module, card: "transformer." + module,
    }
)
#: The same part by other names.
_PARTS = (("lora_down.weight", "lora_A.weight"), ("lora_up.weight", "lora_B.weight"))


def official(adapter: Adapter, card: FamilyCard) -> dict[str, Tensor]:
    """Return an adapter's weights as the model's own app names them in a file."""
    return spelled(adapter, card, "official")


def spelled(adapter: Adapter, card: FamilyCard, spelling: str) -> dict[str, Tensor]:
    """Return an adapter's weights with the modules named in one of `SPELLINGS`."""
    rename = SPELLINGS[spelling]
    return {_renamed(name, lambda module: rename(module, card)): tensor for name, tensor in adapter.weights.items()}


def unspelled(weights: Mapping[str, Tensor], facts: Facts, card: FamilyCard) -> dict[str, Tensor]:
    """Return weights under our names, whatever spelling they had; ``.alpha`` goes inside LoRA's, as ComfyUI has it.

    Names with underscores for dots cannot be undone without the list of modules, which the facts have.
    """
    ours = {rename(module, card): module for module in facts.modules for rename in SPELLINGS.values()}
    named = {_renamed(name, lambda module: ours.get(module, module)): tensor for name, tensor in weights.items()}
    for theirs, part in _PARTS:
        named = {name.replace(f".{theirs}", f".{part}"): tensor for name, tensor in named.items()}
    alphas = {module_of(name): float(named.pop(name)) for name in list(named) if name.endswith(".alpha")}
    for module, alpha in alphas.items():
        name = f"{module}.lora_B.weight"
        if name in named and alpha != named[name].shape[1]:
            named[name] = named[name] * (alpha / named[name].shape[1])
    return named


def read_adapter(
    path: Path, variant: str | None = None, alpha: float | None = None, job: Job | None = None
) -> Adapter:  # fmt: skip
    """Return the adapter of a file or folder, ours or another trainer's; theirs have the scale inside then.

    Args:
        path: Where it is.
        variant: What a foreign one was trained on; None for what it says itself.
        alpha: Of a foreign one, whatever it says.
        job: Hears what a foreign one does not say or cannot give.

    Raises:
        WrongAdapter: If it is no adapter, fits no variant, or is a whole model; or says not what it was trained on.
        CorruptFile: If it is damaged.
        DataError: If a pickled file is broken, or asks for more than tensors.
    """
    if (path / "model_index.json").is_file() or (path / trained.NETWORK).is_dir():
        raise WrongAdapter("adapter.whole_model", path=path)
    file = weights_file(path)
    if not is_ours(file):
        foreign = read_foreign(path)
        card, known = family_of(variant or _said_variant(foreign))
        for doubt in doubts(foreign, alpha):
            (job or Job()).tell(doubt, subject=path.name)
        return foreign_adapter(foreign, known, card, alpha)
    adapter = adapters.load(file)
    if adapter.facts.kind == WHOLE:
        raise WrongAdapter("adapter.whole_model", path=path)
    card, _ = family_of(adapter.facts.variant)
    return Adapter(unspelled(adapter.weights, adapter.facts, card), adapter.facts)


def is_ours(file: Path) -> bool:
    """Whether a file has our facts (raises as `acetune.adapters.adapter.read_header` for a damaged one)."""
    return file.suffix == ".safetensors" and adapters.HEADER in adapters.read_header(file)


def fitting_variants(foreign: ForeignFile) -> tuple[str, ...]:
    """Return the names of the variants of all families that an adapter of another trainer fits."""
    cards: list[FamilyCard] = [catalog.resolve("family", name) for name in catalog.names("family")]
    return tuple(variant.name for card in cards for variant in fitting(foreign, card))


def _said_variant(foreign: ForeignFile) -> str:
    """Return the one variant that a file can be for.

    Raises:
        WrongAdapter: If there are several, or none.
    """
    found = fitting_variants(foreign)
    if len(found) == 1:
        return found[0]
    if found:
        raise WrongAdapter("adapter.which_variant", path=foreign.path, known=", ".join(found))
    raise WrongAdapter("adapter.fits_nothing", path=foreign.path, total=len(foreign.tensors))


def _renamed(name: str, rename: Callable[[str], str]) -> str:
    """Rename the module in ``<module>.lora_A.weight``."""
    module = module_of(name)
    return rename(module) + name.removeprefix(module)

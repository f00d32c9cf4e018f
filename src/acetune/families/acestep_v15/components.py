"""Builds one component of ACE-Step 1.5 from tensors, strictly: every tensor has its place, every place its tensor."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from acetune.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

#: The parts of a checkpoint, by diffusers' names; the last two are optional.
COMPONENTS = (
    "transformer", "condition_encoder", "vae", "text_encoder", "audio_tokenizer", "audio_token_detokenizer",
)  # fmt: skip


@dataclass(frozen=True)
class Account:
    """What became of every tensor of a load; `wrong_shape` holds name, expected and found shape."""

    matched: int
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]
    wrong_shape: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]

    @property
    def exact(self) -> bool:
        """Whether every tensor found its place and every place its tensor."""
        return not (self.missing or self.unexpected or self.wrong_shape)


def component_class(component: str) -> type[nn.Module]:
    """Return the library's class of a component."""
    import diffusers
    import transformers
    from diffusers.pipelines import ace_step

    classes: dict[str, type[nn.Module]] = {
        "transformer": diffusers.AceStepTransformer1DModel,
        "condition_encoder": ace_step.AceStepConditionEncoder,
        "vae": diffusers.AutoencoderOobleck,
        "text_encoder": transformers.Qwen3Model,
        "audio_tokenizer": ace_step.AceStepAudioTokenizer,
        "audio_token_detokenizer": ace_step.AceStepAudioTokenDetokenizer,
    }
    return classes[component]


def shell(component: str, config: Mapping[str, object], network_class: type[nn.Module] | None = None) -> nn.Module:
    """Return the component without weights: everything that a checkpoint holds is on the meta device.

    What no checkpoint holds (rotary frequencies, the tables of the quantiser) is computed. Torch's generators are
    left as they were, and several threads may do this at once.
    """
    import torch

    chosen = network_class or component_class(component)
    with torch.device("meta"), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # diffusers' use of torch's older weight_norm
        if component == "text_encoder":
            module = chosen(_qwen3_config(config))
        else:
            known = inspect.signature(chosen.__init__).parameters
            module = chosen(**{name: value for name, value in config.items() if name in known})
    with torch.random.fork_rng(devices=()):
        _compute_tables(component, module)
    return module


def build(
    component: str,
    config: Mapping[str, object],
    tensors: Mapping[str, Tensor],
    *,
    device: torch.device,
    dtype: torch.dtype,
    network_class: type[nn.Module] | None = None,
) -> nn.Module:
    """Return a component with these weights, frozen, in evaluation mode.

    Args:
        component: One of `COMPONENTS`.
        config: Arguments of its class; names that the class does not know are left out.
        tensors: All its weights under diffusers' names (Qwen3: transformers' names), on any device.
        device: Where it will run.
        dtype: Of its floating weights; computed buffers keep their own.
        network_class: A class with the same constructor, in place of the library's.

    Raises:
        DataError: If a tensor is missing, unexpected or of another shape; counts and first names are told.
    """
    module = shell(component, config, network_class)
    check(component, account(module.state_dict(), tensors))
    # Copied even where nothing changes: a tensor mapped from a file starts at any byte, and kernels round differently
    # by alignment, so that the same weights in two layouts would differ in the last bit.
    placed = {n: t.to(device, dtype if t.is_floating_point() else t.dtype, copy=True) for n, t in tensors.items()}
    module.load_state_dict(placed, strict=True, assign=True)
    return module.to(device).requires_grad_(False).eval()


def account(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> Account:
    """Compare two sets of named tensors by name and shape."""
    both = [name for name in expected if name in found]
    wrong = tuple(
        (name, tuple(expected[name].shape), tuple(found[name].shape))
        for name in both
        if expected[name].shape != found[name].shape
    )
    return Account(
        matched=len(both) - len(wrong),
        missing=tuple(name for name in expected if name not in found),
        unexpected=tuple(name for name in found if name not in expected),
        wrong_shape=wrong,
    )


def check(component: str, counts: Account) -> None:
    """Refuse a load that is not exact.

    Raises:
        DataError: With counts and the first names of each kind of mismatch.
    """
    if counts.exact:
        return
    shapes = [f"{name} is {list(found)}, not {list(wanted)}" for name, wanted, found in counts.wrong_shape]
    kinds: dict[str, Sequence[str]] = {
        "missing": counts.missing,
        "unexpected": counts.unexpected,
        "of another shape": shapes,
    }
    faults = "; ".join(f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds.items() if names)
    code = "weights.mismatch" if counts.matched else "weights.no_match"
    raise DataError(code, component=component, matched=counts.matched, faults=faults)


def _compute_tables(component: str, module: nn.Module) -> None:
    """Replace the small parts that own computed buffers by real ones."""
    if component == "text_encoder":
        rotary = module.get_submodule("rotary_emb")
        module.register_module("rotary_emb", type(rotary)(rotary.config))
    elif component == "audio_tokenizer":
        old: Any = module.get_submodule("quantizer")
        new = type(old)(dim=old.project_in.in_features, levels=old.levels, num_quantizers=old.num_quantizers)
        module.register_module("quantizer", new)


def _first(names: Sequence[str]) -> str:
    """Return the first three names in words."""
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _qwen3_config(config: Mapping[str, object]) -> object:
    """Return the text encoder's configuration object."""
    from transformers import Qwen3Config

    return Qwen3Config.from_dict(dict(config))

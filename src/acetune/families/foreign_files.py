"""Files of adapters that other trainers wrote: where the weights lie in a folder, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from acetune import files
from acetune.adapters import adapter as adapters
from acetune.errors import CorruptFile, WrongAdapter
from acetune.events import Json
from acetune.families.pickles import read_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

CONFIG: Final = "adapter_config.json"
#: What trainers of ACE-Step v1 are started with; it says what their files do not.
_STARTED_WITH: Final = "lora_config.json"
#: What folders hold, the surest first: PEFT's (new and old), the official app's LoKr and LoHa, diffusers', ours.
_WEIGHTS: Final = (
    "adapter_model.safetensors", "adapter.safetensors", "adapter_model.bin", "lokr_weights.safetensors",
    "loha_weights.safetensors", "pytorch_lora_weights.safetensors",
)  # fmt: skip
#: The official app and FL put the adapter of a checkpoint one folder down.
_INSIDE: Final = "adapter"
#: What unpickled files end with, and where SN's training checkpoints keep the adapter.
_PICKLED: Final = (".bin", ".pt", ".pth", ".ckpt")
_CHECKPOINT: Final = "lora_state_dict."


@dataclass(frozen=True)
class ForeignFile:
    """What another trainer left behind, unread.

    Attributes:
        path: As it was asked for.
        tensors: By the names that they have there.
        said: Rank, alpha, kind and more by the names of PEFT's configuration, wherever they stood.
        peft: Whether an adapter_config.json said it, or the lora_config.json of a trainer of ACE-Step v1.
        training: Whether it is a checkpoint of a training, of which the weights are read alone.
    """

    path: Path
    tensors: Mapping[str, Tensor]
    said: Mapping[str, Json]
    peft: bool = False
    training: bool = False


def weights_file(path: Path) -> Path:
    """Return the file with the weights of an adapter: the path itself, or one that a folder is known to have."""
    folders = (path, path / _INSIDE)
    return next((f / name for f in folders for name in _WEIGHTS if (f / name).is_file()), path)


def read_foreign(path: Path) -> ForeignFile:
    """Return the adapter of a file or folder of another trainer.

    Raises:
        WrongAdapter: If there is none, or a training state without weights.
        CorruptFile: If it is damaged.
        DataError: If a pickled file is broken, or asks for more than tensors.
    """
    file = weights_file(path)
    if not file.is_file():
        raise WrongAdapter("adapter.no_file", path=path)
    beside = (file.parent / name for name in (CONFIG, _STARTED_WITH))
    known = next((found for found in beside if path.is_dir() and found.is_file()), None)
    config = {} if known is None else cast("dict[str, Json]", files.read_json(known))
    if file.suffix not in _PICKLED:
        tensors, header = adapters.read_safetensors(file)
        return ForeignFile(path, tensors, config or _of_header(header), peft=bool(config))
    tensors, values = read_checkpoint(file)
    training = any(name.startswith(_CHECKPOINT) for name in tensors)
    inside = {name.removeprefix(_CHECKPOINT): value for name, value in tensors.items() if not training
              or name.startswith(_CHECKPOINT)}  # fmt: skip
    if not any(adapters.module_of(name) != name for name in inside):
        raise WrongAdapter("adapter.no_weights_inside", path=path)
    return ForeignFile(path, inside, config or _of_values(values), peft=bool(config), training=training)


def _of_header(header: Mapping[str, str]) -> dict[str, Json]:
    """Return what the header of a safetensors file says: diffusers', LyCORIS', SN's or kohya's."""
    said: dict[str, Json] = {}
    if "lora_adapter_metadata" in header:
        known = _object(header["lora_adapter_metadata"])
        said |= {name.removeprefix("transformer."): value for name, value in known.items()}
    for kind in ("lokr", "loha"):
        if f"{kind}_config" in header:
            known = _object(header[f"{kind}_config"])
            names = {"linear_dim": "r", "linear_alpha": "lora_alpha", "factor": "decompose_factor"}
            said |= {ours: known[theirs] for theirs, ours in names.items() if theirs in known}
    plain = {"lora_rank": "r", "lora_alpha": "lora_alpha", "ss_network_dim": "r", "ss_network_alpha": "lora_alpha",
             "model": "base_model_name_or_path", "ss_base_model_version": "base_model_name_or_path"}  # fmt: skip
    return {**{ours: _number(header[theirs]) for theirs, ours in plain.items() if theirs in header}, **said}


def _of_values(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the plain values of a training checkpoint say of its adapter."""
    ends = {"lora_rank": "r", "rank": "r", "lora_alpha": "lora_alpha", "alpha": "lora_alpha"}
    return {ends[end]: value for name, value in values.items() if (end := name.rpartition(".")[2]) in ends}


def _number(text: str) -> Json:
    """Return a number as such, and other text as it is."""
    try:
        return float(text) if "." in text or "e" in text else int(text)
    except ValueError:
        return text


def _object(text: str) -> dict[str, Json]:
    """Return an object of JSON in a header.

    Raises:
        CorruptFile: If it is something else.
    """
    try:
        found = json.loads(text)
    except ValueError as cause:
        raise CorruptFile("adapter.bad_facts", cause=repr(cause)) from cause
    if not isinstance(found, dict):
        raise CorruptFile("adapter.bad_facts", cause=text[:60])
    return found

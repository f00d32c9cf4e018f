"""A whole model: the network that was trained with the other parts as they were, as diffusers lays out a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from acetune import files
from acetune.adapters import attach
from acetune.adapters.adapter import Adapter
from acetune.errors import CorruptFile
from acetune.families.family import ModelFamily
from acetune.formats.format import TOLERANCE, probe_velocity
from acetune.formats.placing import FACTS, placed
from acetune.sections import WHOLE

#: What `acetune export --to` calls a network that was trained whole, and one with an adapter inside.
MODEL, MERGED = "model", "merged"


def write_model(family: ModelFamily, model: Adapter, target: Path, dtype: str) -> None:
    """Write all weights as a model that acetune and diffusers load, read the network back and compare every weight.

    Args:
        family: The variant that was trained; its other parts go along unchanged.
        model: Of kind "full".
        target: Folder; one that acetune wrote is replaced.
        dtype: Number format of the network.

    Raises:
        CorruptFile: If the folder does not give the network back; what was at the target is there still.
        SettingError: If something is there that acetune did not write.
        DiskFull, NotWritable: As the file system says.
    """
    with placed(target) as draft:
        _write(family, model, draft, dtype)


def write_merged(family: ModelFamily, adapter: Adapter, target: Path, dtype: str) -> float:
    """Write a model with an adapter inside its weights, which programs that cannot read the adapter load too.

    It is computed in float32 on the processor, written as `write_model` does, read back and run.

    Args:
        family: The variant that the adapter was trained on.
        adapter: Of any kind.
        target: Folder; one that acetune wrote is replaced.
        dtype: Number format of the network.

    Returns:
        How far the velocity is from that of the adapter on its network (see `acetune.formats.format.check_forward`).

    Raises:
        CorruptFile: If the folder does not give that network back; what was at the target is there still.
        SettingError: If something is there that acetune did not write.
        WrongAdapter: If the adapter does not fit.
        DiskFull, NotWritable: As the file system says.
    """
    network = family.load_network(torch.device("cpu"), torch.float32)
    attach.attach_trained(network, adapter)
    before = probe_velocity(family, network)
    attach.merge(network)
    facts = replace(adapter.facts, kind=WHOLE, rank=0, alpha=0.0, ranks={}, rslora=False, factor=None)
    with placed(target) as draft:
        _write(family, Adapter(network.state_dict(), facts), draft, dtype)
        network.load_state_dict(dict(family.read_model(draft)))
        moved = float((probe_velocity(family, network) - before).abs().max() / before.abs().max())
        if not moved <= TOLERANCE[dtype]:
            raise CorruptFile("formats.other_forward", moved=f"{moved:.2g}", allowed=TOLERANCE[dtype])
    return moved


def _write(family: ModelFamily, model: Adapter, target: Path, dtype: str) -> None:
    """Write all weights as a new folder, and compare every one (raises as `write_model`)."""
    wanted = {name: tensor.detach().to("cpu", getattr(torch, dtype)) for name, tensor in model.weights.items()}
    with files.draft_folder(target) as draft:
        family.save_model(wanted, draft)
        read = family.read_model(draft)
        equal = wanted.keys() == read.keys() and all(torch.equal(wanted[name], read[name]) for name in wanted)
        if not equal:
            raise CorruptFile("formats.not_equal", path=target.name, found=len(read), total=len(wanted))
        files.write_text(draft / FACTS, model.facts.to_json() + "\n")

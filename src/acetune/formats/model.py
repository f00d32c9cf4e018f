"""A whole model: the network that was trained with the other parts as they were, as diffusers lays out a folder."""

from __future__ import annotations

from pathlib import Path

import torch

from acetune import files
from acetune.adapters.adapter import Adapter
from acetune.errors import CorruptFile
from acetune.families.family import ModelFamily

#: What `acetune export --to` calls it, and the file with the facts in its folder.
MODEL, FACTS = "model", "acetune_facts.json"


def write_model(family: ModelFamily, model: Adapter, target: Path, dtype: str) -> None:
    """Write all weights as a model that acetune and diffusers load, read the network back and compare every weight.

    Args:
        family: The variant that was trained; its other parts go along unchanged.
        model: Of kind "full".
        target: Folder; one that exists is replaced.
        dtype: Number format of the network.

    Raises:
        CorruptFile: If the folder does not give the network back; it is gone then.
        DiskFull, NotWritable: As the file system says.
    """
    wanted = {name: tensor.detach().to("cpu", getattr(torch, dtype)) for name, tensor in model.weights.items()}
    with files.disk_errors(target):
        files.remove(target)
    with files.draft_folder(target) as draft:
        family.save_model(wanted, draft)
        read = family.read_model(draft)
        equal = wanted.keys() == read.keys() and all(torch.equal(wanted[name], read[name]) for name in wanted)
        if not equal:
            raise CorruptFile("formats.not_equal", path=target, found=len(read), total=len(wanted))
        files.write_text(draft / FACTS, model.facts.to_json() + "\n")

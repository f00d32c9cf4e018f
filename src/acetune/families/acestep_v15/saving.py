"""Writes whole checkpoints of ACE-Step 1.5 as diffusers lays them out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from acetune.families.acestep_v15.layouts import SILENCE, Weights
from acetune.storage import SHARD_BYTES

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn
    from transformers import PreTrainedTokenizerFast

#: Number formats of a file, the widest first.
_FORMATS = {"F64": "float32", "F32": "float32", "BF16": "bfloat16", "F16": "float16"}


def save_model(weights: Weights, network: Mapping[str, Tensor], folder: Path) -> None:
    """Write a checkpoint with another network; its other parts keep their weights and number formats.

    Args:
        weights: The checkpoint that the network was trained from.
        network: All its weights, on the CPU in the number format to write.
        folder: Empty.

    Raises:
        DataError: If a weight is missing, unexpected or of another shape.
        OSError: As the file system says.
    """
    import torch

    from acetune.families.acestep_v15.components import build

    cpu = torch.device("cpu")
    others = [component for component in weights.components if component != "transformer"]
    parts = {component: weights.load(component, cpu, stored(weights, component)) for component in others}
    parts["condition_encoder"].silence_latent = weights.silence()
    config = weights.sources["transformer"].config
    dtype = next(iter(network.values())).dtype
    parts["transformer"] = build("transformer", config, network, device=cpu, dtype=dtype)
    save_pipeline(parts, weights.tokenizer(), folder)


def stored(weights: Weights, component: str) -> torch.dtype:
    """Return the widest number format in which a component is kept."""
    import torch

    kept = {ref.dtype for name, ref in weights.sources[component].tensors.items() if name != SILENCE}
    found: torch.dtype = getattr(torch, next((_FORMATS[name] for name in _FORMATS if name in kept), "float32"))
    return found


def save_pipeline(parts: Mapping[str, nn.Module], tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write components as a pipeline of diffusers; large ones in shards."""
    from diffusers import AceStepPipeline, FlowMatchEulerDiscreteScheduler
    from transformers.utils import logging

    pipeline = AceStepPipeline(
        **{"audio_tokenizer": None, "audio_token_detokenizer": None, **parts},
        tokenizer=tokenizer,
        scheduler=FlowMatchEulerDiscreteScheduler(num_train_timesteps=1, shift=1.0),
    )
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        pipeline.save_pretrained(folder, max_shard_size=SHARD_BYTES)
    finally:
        if shown:
            logging.enable_progress_bar()

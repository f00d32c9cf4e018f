"""What ACE-Step v1's network shall know of music besides latents: features of MERT and mHuBERT, seen from its middle.

Each projector makes features of the stream of one block; the loss is the mean of one minus their cosine with the
features of the song, whose number per second is another (arXiv:2410.06940 has the idea).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def projection_loss(projector: nn.Module, stream: Tensor, targets: Sequence[Tensor]) -> Tensor:
    """Return the mean cosine distance between projected stream and features: a scalar between 0 and 2.

    Args:
        projector: From D to the width F of the features.
        stream: (B, W, D), one song a row.
        targets: Of each song, (L, F); L differs.
    """
    projected = projector(stream).transpose(1, 2).float()  # (B, F, W)
    losses = [
        1 - F.cosine_similarity(_stretched(row, len(target)), target.float(), dim=-1).mean()
        for row, target in zip(projected, targets, strict=True)
    ]
    return torch.stack(losses).mean()


def _stretched(row: Tensor, length: int) -> Tensor:
    """Return features (F, W) at another number of places, (length, F)."""
    return F.interpolate(row.unsqueeze(0), size=length, mode="linear", align_corners=False)[0].T

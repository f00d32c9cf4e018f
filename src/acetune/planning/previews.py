"""What previews take, and in how many steps they are sampled."""

from __future__ import annotations

from typing import Final

from acetune.planning.memory import NetworkSize
from acetune.planning.sampling import sampling_seconds
from acetune.recipe import Recipe, family_of

#: Sampling steps of a preview where nobody says otherwise: variants that take more are heard well enough with these.
_MOST_STEPS: Final = 20
#: The codec's weights in float32 (168 million) and what it keeps while it decodes a chunk (reckoned, not measured).
CODEC_BYTES: Final = 168_000_000 * 4 + 1_100_000_000
#: Time to load the codec and to decode a piece.
_PIECE_SECONDS: Final = 2.0


def preview_steps(recipe: Recipe, usual: int) -> int:
    """Return the sampling steps of a preview; `usual` are those of the variant."""
    return recipe.preview.steps or min(usual, _MOST_STEPS)


def preview_bytes(recipe: Recipe) -> int:
    """Return the memory that previews add to that of a training: the codec stands beside it."""
    return CODEC_BYTES if recipe.preview.every else 0


def preview_seconds(recipe: Recipe, size: NetworkSize, steps: int, rate: float) -> float:
    """Return how long all previews of a run take.

    Args:
        recipe: Its preview section is read.
        size: Of the network.
        steps: Of the run.
        rate: Floating point operations a second.
    """
    knobs = recipe.preview
    if not knobs.every:
        return 0.0
    asked = preview_steps(recipe, family_of(recipe.model.variant)[1].sampling.steps)
    frames = int(knobs.seconds * size.frames_per_second)
    songs = knobs.songs * (2 if recipe.objective.code_share else 1)
    pieces = songs * knobs.seeds * (steps // knobs.every + 1)
    return pieces * (sampling_seconds(recipe, size, frames, asked, rate) + _PIECE_SECONDS)

"""What previews take, and in how many steps they are sampled."""

from __future__ import annotations

from typing import Final

from acetune.planning.memory import NetworkSize, training_flops
from acetune.recipe import Recipe, family_of

#: Sampling steps of a preview where nobody says otherwise: variants that take more are heard well enough with these.
_MOST_STEPS: Final = 20
#: The codec's weights in float32 (168 million) and what it keeps while it decodes a chunk (reckoned, not measured).
CODEC_BYTES: Final = 168_000_000 * 4 + 1_100_000_000
#: Time to load the codec and to decode a piece, and of one sampling step beside its arithmetic.
_PIECE_SECONDS, _STEP_SECONDS = 2.0, 0.02
#: Condition tokens of a usual prompt.
_CONDITIONS = 500


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
    sampling = family_of(recipe.model.variant)[1].sampling
    tokens = int(knobs.seconds * size.frames_per_second) // size.patch
    with_forward, without = (training_flops(size, tokens, _CONDITIONS, recompute=again) for again in (True, False))
    asked: int = preview_steps(recipe, sampling.steps) * (2 if sampling.guidance != 1 else 1)
    pieces = knobs.songs * knobs.seeds * (steps // knobs.every + 1)
    return pieces * (asked * ((with_forward - without) / rate + _STEP_SECONDS) + _PIECE_SECONDS)

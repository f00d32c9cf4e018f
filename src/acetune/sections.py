"""The sections of a recipe: every knob of the core, declared once.

From these declarations come YAML files, command-line flags, forms, node inputs and the reference page. A knob says
what it does, its unit and range, and whether it may change when a run is resumed.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, WithJsonSchema

from acetune import catalog
from acetune.knobs import Section, Words, knob

#: Kind of "adapter" that is all weights of the network: no rank, no alpha, no scale.
WHOLE: Final = "full"

#: Names of parts in the catalogue; doors offer those that acetune comes with.
Optimizer = Annotated[
    str,
    AfterValidator(partial(catalog.known, "optimizer")),
    WithJsonSchema({"type": "string", "enum": [*catalog.names("optimizer")]}),
]
Schedule = Annotated[
    str,
    AfterValidator(partial(catalog.known, "schedule")),
    WithJsonSchema({"type": "string", "enum": [*catalog.names("schedule")]}),
]


class ModelSection(Section):
    """Which network is tuned."""

    variant: str = knob("tiny", "Trained checkpoint to start from (`acetune models ls` lists them).")
    path: str | None = knob(None, "Folder or file with its weights, where it is not in a usual place.", free=True)


class DataSection(Section):
    """Which songs, and how they are cut and grouped."""

    dataset: str = knob("", "Folder of songs that `acetune scan` has read.", free=True)
    max_seconds: float = knob(240.0, "Songs are encoded up to this length.", unit="s", ge=1, le=600)
    normalise: Literal["none", "peak"] = knob("none", "Loudness treatment before encoding; peak is -1 dBFS.")
    crop_seconds: float = knob(60.0, "Longest window of a song in one example.", unit="s", ge=0.5, le=600)
    cut_lyrics: bool = knob(
        True, "A crop has the lyrics that are sung in it, where the times of their lines are known."
    )
    batch_size: int = knob(1, "Crops in one micro-batch.", unit="crops", ge=1, le=512)
    accumulation: int = knob(1, "Micro-batches in one step.", ge=1, le=4096)
    holdout: float | None = knob(
        None, "Held out for validation: a share below 1, a number of songs from 1 on, 0 for none.", ge=0
    )
    latents: Literal["mean", "sample"] = knob(
        "sample", "Encoder's mean, or a fresh draw of its distribution at each visit.", expert=True
    )
    tags_share: float = knob(0.1, "Share of visits that use a track's tags in place of its caption.", ge=0, le=1)
    genre_share: float = knob(0.0, "Share of visits that use its genre in place of its caption.", ge=0, le=1)
    recaption_share: float = knob(0.0, "Share of visits that use one of its recaptions.", ge=0, le=1)
    tag_shuffle: bool = knob(False, "Tags in another order from visit to visit; the trigger keeps its place.")
    tag_dropout: float = knob(0.0, "Chance that a tag is left out of a visit; the trigger never is.", ge=0, lt=1)
    prior: int = knob(
        0, "Clips of the base network mixed in, so that the rest of it stays; 0 for none.", ge=0, le=10_000
    )
    prior_share: float = knob(0.25, "Share of visits that show one of them in place of a song.", gt=0, lt=1)
    seed: int = knob(42, "Every random draw of a run follows from it.", ge=0, le=2**63 - 1)

    @property
    def folder(self) -> Path:
        """Folder of the data set, from the root of the file system on."""
        return Path(self.dataset).expanduser().absolute()


class AdapterSection(Section):
    """What is trained."""

    kind: Literal["lora", "dora", "lokr", "loha", "oft", "full"] = knob(
        "lora", "Kind of adapter; full trains every weight of the network and makes a model in place of an adapter."
    )
    rank: int = knob(64, "Rank of each weight change (r, dim); the size of the blocks of oft.", ge=1, le=1024)
    alpha: float = knob(64.0, "Strength before division by the rank; scale = alpha / rank.", gt=0, le=8192)
    rslora: bool = knob(False, "Scale by alpha / sqrt(rank) (arXiv:2312.03732).", expert=True)
    start: str | None = knob(None, "File or folder of an adapter to start from; empty for a fresh one.")
    ema: float = knob(
        0.0, "Memory of a running average of the weights, which is what is used and saved; 0 for none.", ge=0, lt=1,
        expert=True,
    )  # fmt: skip
    dropout: float = knob(0.0, "Chance that an adapter input is dropped.", ge=0, lt=1)
    factor: int | None = knob(
        None, "First factor of lokr: smaller is more weights; empty is nearest to a square.", ge=2, expert=True
    )
    targets: Words = knob(
        "attention",
        "attention, attention+mlp, self, cross, mlp, layer names (also with *) separated by commas, or re:EXPRESSION.",
    )
    rank_pattern: Words = knob(
        "", "Other ranks for some layers, such as cross=32, layers.0.*=16; alpha changes with them.", expert=True
    )


class ObjectiveSection(Section):
    """What the network is asked to do."""

    timesteps: Literal["auto", "acestep", "turbo8", "logit_normal", "shifted1000", "uniform", "adaptive"] = knob(
        "auto", "How t is drawn; auto is what the variant was trained with, adaptive that with more of high losses."
    )
    code_share: float = knob(
        0.0, "Share of visits shown with the song's own 5 Hz codes as context, as ComfyUI asks by default.", ge=0, le=1
    )
    timestep_mean: float = knob(
        -0.4, "Mean of logit(t) for acestep, logit_normal and shifted1000.", ge=-5, le=5, expert=True
    )
    timestep_sd: float = knob(1.0, "Standard deviation of logit(t) for the same.", gt=0, le=5, expert=True)
    condition_dropout: float | None = knob(
        None, "Chance that a crop is shown without its conditions; empty is what the variant was trained with.",
        ge=0, le=1,
    )  # fmt: skip
    weighting: Literal["none", "x0", "min_snr"] = knob(
        "none", "Weight of an error by its t; x0 is that of errors in the music itself: t squared.", expert=True
    )
    min_snr_gamma: float = knob(5.0, "Cap of the signal-to-noise ratio for min_snr.", gt=0, le=100, expert=True)


class OptimSection(Section):
    """How weights are updated."""

    name: Optimizer = knob("adamw", "Optimizer.")
    lr: float = knob(1e-4, "Peak learning rate.", gt=0, le=1)
    beta1: float = knob(0.9, "Memory of the gradient.", ge=0, lt=1, expert=True)
    beta2: float = knob(0.999, "Memory of the squared gradient.", ge=0, lt=1, expert=True)
    eps: float = knob(1e-8, "Added to the denominator.", gt=0, le=1e-2, expert=True)
    weight_decay: float = knob(0.01, "Decoupled weight decay.", ge=0, le=1, expert=True)
    clip: float = knob(1.0, "Largest gradient norm; 0 for no limit.", ge=0, le=1e6)


class ScheduleSection(Section):
    """How long, and how the learning rate moves."""

    name: Schedule = knob("cosine", "Learning rate after warm-up.")
    steps: int | None = knob(None, "Optimizer updates; empty lets the planner choose.", ge=1, le=10**7, free=True)
    epochs: float | None = knob(None, "Passes over the songs, in place of steps.", gt=0, le=10**6, free=True)
    warmup: int | None = knob(
        None,
        "Steps of linear warm-up; empty is the smaller of 100 and a tenth of the run.",
        unit="steps",
        ge=0,
    )
    final: float = knob(0.01, "Learning rate at the end, as a share of its peak.", ge=0, le=1, expert=True)


class GuardSection(Section):
    """What is saved and checked on the way."""

    save_every: int | None = knob(
        None,
        "Steps between checkpoints; 0 for the last one only; empty is a quarter of the run.",
        ge=0,
        free=True,
    )
    keep_last: int = knob(2, "Recent checkpoints to keep.", ge=1, le=1000, free=True)
    keep_every: int = knob(0, "Also keep checkpoints at multiples of this many steps; 0 for none.", ge=0, free=True)
    validate_every: int | None = knob(
        None, "Steps between validations; 0 for none; empty is a quarter of the run.", ge=0, free=True
    )
    patience: int = knob(
        0,
        "End at the best checkpoint after so many validations without a lower held-out loss; 0 never does.",
        ge=0,
        free=True,
    )
    trackers: Words = knob(
        "", "Also send the numbers to wandb or trackio; TensorBoard files are always written.", free=True
    )


class PreviewSection(Section):
    """What is played while training."""

    every: int = knob(0, "Steps between previews, which are made of the base model first; 0 for none.", ge=0, free=True)
    prompts: str | None = knob(
        None, "Text file with one caption a line; empty takes the prompts of songs, held-out ones first.", free=True
    )
    songs: int = knob(2, "Songs whose prompts are taken.", ge=1, le=100, free=True)
    seeds: int = knob(1, "Pieces of each prompt, with noise of their own.", ge=1, le=100, free=True)
    seconds: float = knob(20.0, "Length of a piece.", unit="s", ge=1, le=600, free=True)
    steps: int | None = knob(
        None, "Sampling steps; empty is what the variant takes, 20 at most.", ge=1, le=1000, free=True, expert=True
    )
    probes: int = knob(
        0, "Songs whose place on maps is kept at each save and validation; 0 for none.", ge=0, le=1000, free=True,
        expert=True,
    )  # fmt: skip


class ComputeSection(Section):
    """Where and how it is computed."""

    device: str = knob("auto", "auto, cpu, cuda, cuda:N, mps or xpu.", free=True)
    devices: int = knob(
        1, "Devices of this machine that share each step, a process for each.", ge=1, le=1024, free=True
    )
    shard: bool = knob(
        False, "The devices hold weights and optimizer state together, in place of a copy each; for full.", free=True
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = knob("auto", "Number format of the frozen weights.")
    quantise: Literal["none", "int8", "nf4"] = knob(
        "none", "Frozen weights in 8 or 4 bits, for cards that are too small; under lora, and nf4 under dora."
    )
    recompute: bool = knob(
        False, "Recompute activations in the backward pass: less memory, about 50 % more time.", free=True
    )
    threads: int | None = knob(None, "Processor threads; empty leaves it to torch.", ge=1, le=1024, expert=True)
    resident_gb: float = knob(
        4.0, "Encoded songs kept in main memory; beyond it they are read from disk.", unit="GB", ge=0, free=True,
        expert=True,
    )  # fmt: skip


class FamilySection(Section):
    """Knobs that only one family of models has; each family declares its own."""

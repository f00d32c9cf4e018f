"""One training step, ours against stock diffusers and against other trainers: `python benchmarks/step.py [--long]`.

The same weights, adapter, crops, noise and t four times: our session; the same session on diffusers' own network class
with PEFT; a step as other trainers do it (`peer.py`) with our settings, and with its padded conditions. They take turns
in one process, and gradients are compared before anything is timed. Weights are random. The padded peer trains
something else, so its gradients are not compared. Peaks are counted over a forward and backward pass, beyond the
weights; what kernels hold inside themselves is not seen.
"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import peer
import torch
from peak import Live
from peer import PaddedPeer, Peer, Stock
from timing import Table, arguments, publish, ratio, take_turns
from torch import Tensor

from acetune.adapters import attach
from acetune.data.manifest import Manifest
from acetune.data.settings import DatasetSettings
from acetune.data.track import Track
from acetune.data.wordings import MAIN
from acetune.encoding.cache import Cache
from acetune.encoding.encode import EncodedSet
from acetune.encoding.parts import TrackParts, prompt_of
from acetune.events import Job
from acetune.families.acestep_v15.family import AceStepV15
from acetune.families.acestep_v15.layouts import open_weights
from acetune.families.acestep_v15.variants import CARD, AceStepV15Section
from acetune.flow import path, randomness
from acetune.planning.memory import NetworkSize
from acetune.recipe import Recipe, resolve
from acetune.training.session import Session

#: The embedded network, and a cut of the published one: a quarter of its width, a sixth of its depth.
SIZES = {
    "tiny": CARD.variant("tiny").size,
    "width 512": NetworkSize(
        hidden=512, intermediate=1536, layers=4, heads=4, kv_heads=2, head_dim=128, condition_width=512, channels=64
    ),
}
CONDITIONS = 256
KINDS: dict[str, type[AceStepV15]] = {"ours": AceStepV15, "stock": Stock, "peer": Peer, "padded peer": PaddedPeer}
TIMES = (
    "network", "tokens", "audio s", "ours ms", "tokens / s", "audio s / s", "stock / ours", "peer / ours",
    "padded peer / ours",
)  # fmt: skip
EQUAL = (
    "network", "tokens", "gradients, stock", "gradients, peer", "peak MiB, ours", "stock", "peer", "padded peer",
)  # fmt: skip
_CPU = torch.device("cpu")


def family(kind: type[AceStepV15], size: NetworkSize, models: Path) -> AceStepV15:
    """Return a random network of a size as a family; its folder is made once."""
    variant = replace(CARD.variant("tiny"), name=f"width-{size.hidden}", size=size, taught=False)
    return kind(variant, open_weights(variant, None, models, Job()), AceStepV15Section())


def one_song(size: NetworkSize, tokens: int, folder: Path) -> EncodedSet:
    """Return a data set of one song of made-up latents and conditions."""
    cache, frames = Cache(folder / f"{size.hidden}-{tokens}"), size.patch * tokens
    parts = {
        "latents": {"mean": (frames, size.channels), "std": (frames, size.channels)},
        "text": {"tokens": (CONDITIONS // 4, size.condition_width)},
        "lyrics": {"tokens": (CONDITIONS - CONDITIONS // 4 - 1, size.condition_width)},
        "constants": {
            "timbre": (1, size.condition_width), "null": (1, size.condition_width), "silence": (750, size.channels)
        },
    }  # fmt: skip
    for kind, shapes in parts.items():
        tensors = {name: randomness.normal(shape, 0, f"{kind} {name}").abs() for name, shape in shapes.items()}
        cache.write(kind, kind, tensors)
    track = Track(path="song.flac", seconds=frames / size.frames_per_second)
    prompts = {MAIN: prompt_of(track, "", track.seconds)}
    song = TrackParts(track, prompts, "latents", {MAIN: "text"}, {"": "lyrics"})
    return EncodedSet(Manifest(folder, (track,), DatasetSettings("benchmark")), (song,), "constants", cache)


def recipe_of(tokens: int, size: NetworkSize, dtype: str, threads: int) -> Recipe:
    """Return a rank 16 adapter on all attention, crops as long as the song, nothing held out."""
    knobs = {
        "data.crop_seconds": size.patch * tokens / size.frames_per_second, "data.batch_size": 1, "data.holdout": 0,
        "adapter.rank": 16, "adapter.alpha": 16.0, "schedule.steps": 1000, "compute.device": "cpu",
        "compute.dtype": dtype, "compute.threads": threads,
    }  # fmt: skip
    return resolve([("benchmark", knobs)]).recipe


def forward_backward(session: Session) -> None:
    """Do one forward and backward pass of the first crop, without an update."""
    example = session.examples.example(0, 0, 0)
    batch = session.family.collate([example], session.examples.constants, session.device)
    noise, t = randomness.normal(tuple(batch.x0.shape), 0, "noise"), torch.tensor([0.7])
    predicted = session.family.predict(
        session.network, batch, path.noisy(batch.x0, noise, t), t, torch.zeros(1, dtype=torch.bool)
    )
    session.objective.losses(predicted, path.velocity(batch.x0, noise), t).mean().backward()


def gradients(session: Session) -> list[Tensor]:
    """Return the gradients of that pass with an adapter whose every part matters (a fresh one has B = 0)."""
    weights = {
        name: randomness.normal(tuple(weight.shape), 0, "adapter", number) / weight.shape[1] ** 0.5
        for number, (name, weight) in enumerate(session.parameters.items())
    }
    attach.load_weights(session.network, weights)
    forward_backward(session)
    found = [parameter.grad.clone() for parameter in session.parameters.values()]
    session.optimizer.zero_grad()
    return found


def apart(ours: Sequence[Tensor], stock: Sequence[Tensor]) -> float:
    """Return the largest relative difference of a gradient, by the norm of its difference."""
    return max(float((a - b).norm() / b.norm()) for a, b in zip(ours, stock, strict=True))


def peak_bytes(session: Session) -> int:
    """Return the most bytes that are alive in a forward and backward pass, beyond those before it."""
    live = Live(_CPU)
    for tensor in (*session.network.parameters(), *session.network.buffers()):
        live.add(tensor)
    before = live.now
    with live:
        forward_backward(session)
    session.optimizer.zero_grad()
    return live.peak - before


def our_updates(session: Session) -> Iterator[None]:
    """Do one step of the session at each call of next."""
    for number in range(session.length.steps):
        session.update(number)
        yield


def measure(
    name: str, tokens: int, folder: Path, chosen: Namespace
) -> tuple[tuple[float | str, ...], tuple[float | str, ...]]:
    """Return a row of the table of times and one of the table of gradients and memory."""
    size = SIZES[name]
    encoded, recipe = one_song(size, tokens, folder), recipe_of(tokens, size, chosen.dtype, chosen.threads)
    sessions = {key: Session.build(recipe, family(kind, size, folder), encoded, name) for key, kind in KINDS.items()}
    truth = gradients(sessions["ours"])
    differences = [apart(truth, gradients(sessions[key])) for key in ("stock", "peer")]
    peaks = [peak_bytes(session) / 2**20 for session in sessions.values()]
    steps = {
        key: peer.updates(session) if isinstance(session.family, Peer) else our_updates(session)
        for key, session in sessions.items()
    }
    times = take_turns({key: partial(next, each) for key, each in steps.items()}, chosen.rounds, chosen.threads)
    ours, seconds = median(times["ours"]), size.patch * tokens / size.frames_per_second
    ratios = [ratio(times[key], times["ours"]) for key in ("stock", "peer", "padded peer")]
    return (
        (name, tokens, seconds, 1000 * ours, tokens / ours, seconds / ours, *ratios),
        (name, tokens, *differences, *peaks),
    )


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--long", action="store_true", help="3,000 tokens too: four minutes of music")
    parser.add_argument("--tokens", type=int, nargs="+", help="other lengths")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--threads", type=int, default=1)
    chosen = parser.parse_args()
    lengths = chosen.tokens or ((750, 1500, 3000) if chosen.long else (750, 1500))
    with TemporaryDirectory() as folder:
        rows = [measure(name, tokens, Path(folder), chosen) for name in SIZES for tokens in lengths]
    title = f"One step, {CONDITIONS} condition tokens, rank 16 on attention, {chosen.dtype}; medians of {chosen.rounds}"
    times, equal = (tuple(found) for found in zip(*rows, strict=True))
    tables = [Table(title, TIMES, times), Table("Largest relative difference of a gradient; peaks", EQUAL, equal)]
    publish(tables, chosen.json, chosen.threads)


if __name__ == "__main__":
    main()

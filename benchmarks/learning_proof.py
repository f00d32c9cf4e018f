"""Is "learned" said when it is true, and only then? `python benchmarks/learning_proof.py MODEL FOLDER [--seeds 20]`.

MODEL is what `pretrain_tiny.py` made: a network that knows music, but not these styles. For each seed an adapter is
trained on six songs of a style, and the verdict of the run is asked for on five held-out songs of that style: it must
be "learned". It must not be with a learning rate of next to nothing, on held-out songs of another style, and where all
songs are noise; a file without keys must be refused.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from styles import style, write_noise, write_song
from timing import Table

import acetune
from acetune.errors import AcetuneError
from acetune.files import write_json
from acetune.recipe import resolve
from acetune.training.train import TrainResult

SEED, SECONDS, TRAINED, HELD_OUT = 2, 6.0, 6, 5
KNOBS = {
    "model.variant": "tiny", "data.crop_seconds": 4.0, "data.batch_size": 4, "optim.lr": 3e-3, "compute.device": "cpu",
    "compute.threads": 1,
}  # fmt: skip


def main() -> None:
    """Print how often each case was called what."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    print(proof(arguments.model, arguments.folder, arguments.seeds, arguments.steps))


def proof(model: Path, folder: Path, seeds: int, steps: int) -> Table:
    """Return how often each case was called what."""
    cases: dict[str, Callable[[int], str]] = {
        "an unseen style": lambda seed: trained(model, folder, "own", seed, seed, steps).verdict,
        "rate of next to nothing": lambda seed: trained(model, folder, "still", seed, seed, 20, 1e-9).verdict,
        "another style's held-out songs": lambda seed: trained(model, folder, "other", seed, seed + 1, steps).verdict,
        "noise": lambda seed: trained(model, folder, "noise", seed, None, steps).verdict,
        "a file without keys": lambda seed: without_keys(trained(model, folder, "own", seed, seed, steps).adapter),
    }
    rows = []
    for name, case in cases.items():
        found = Counter(case(seed) for seed in range(seeds))
        wrong = seeds - found["learned"] if name == "an unseen style" else found["learned"]
        rows.append((name, *(str(found[word]) for word in ("learned", "worse", "cannot tell", "refused")), str(wrong)))
    return Table("Verdicts", ("case", "learned", "worse", "cannot tell", "refused", "false"), tuple(rows))


def trained(
    model: Path, folder: Path, case: str, seed: int, held_out: int | None, steps: int, rate: float = 3e-3
) -> TrainResult:
    """Train on the style of a seed and hold out songs of that or another one; all are noise without one."""
    songs = folder / f"songs-{case}-{seed}"
    for number in range(TRAINED + HELD_OUT):
        kept = number >= TRAINED
        if held_out is None:
            path = write_noise(songs / f"noise{number:02d}.flac", SEED + seed, 2 * number, SECONDS)
        else:
            path = write_song(style(SEED, held_out if kept else seed).song(number, SECONDS), songs)
        if kept:
            write_json(path.with_suffix(".json"), {"split": "validation"})
    acetune.scan(songs)
    layer = {**KNOBS, "optim.lr": rate, "data.seed": seed, "model.path": str(model), "data.dataset": str(songs),
             "schedule.steps": steps, "guard.validate_every": steps}  # fmt: skip
    recipe = resolve([("proof", layer)]).recipe
    return acetune.train(recipe, name=f"{case}-{seed}", on_existing="resume", home=folder / "home")


def without_keys(adapter: Path) -> str:
    """Return what becomes of an export that lost its keys."""
    empty = adapter.with_name("empty.safetensors")
    with safe_open(adapter, "pt") as source:
        save_file({}, empty, dict(source.metadata()))
    try:
        acetune.generate(acetune.Request(caption="a", adapter=empty, seconds=1.0, out=adapter.parent))
    except AcetuneError:
        return "refused"
    return "learned"


if __name__ == "__main__":
    main()

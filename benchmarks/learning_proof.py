"""Is "learned" said when it is true, and only then? `python benchmarks/learning_proof.py FOLDER [--seeds 20]`.

For each seed an adapter of the embedded `tiny`, which knows made-up music but not these styles, is trained on six
songs of a style, and the verdict of the run is asked for on eight held-out songs of that style: it must be "learned".
It must not be with a learning rate of next to nothing, on held-out songs of another style, and where all songs are
noise; a file without keys must be refused. A run that was stopped goes on.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from safetensors import safe_open
from safetensors.torch import save_file
from styles import style, write_noise, write_song
from timing import Table

import acetune
from acetune import files
from acetune.errors import AcetuneError
from acetune.recipe import resolve

SEED, SECONDS, TRAINED, HELD_OUT = 2, 5.0, 6, 8
#: A learning rate of next to nothing, and the steps that it is given.
NOTHING, STILL = 1e-9, 20
KNOBS = {
    "model.variant": "tiny", "data.crop_seconds": 4.0, "data.batch_size": 4, "optim.lr": 3e-3, "compute.device": "cpu",
    "compute.threads": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Judged:
    """What a run was called, the change of its held-out loss as a share of the base network's, and its adapter."""

    word: str
    change: float
    adapter: Path


@dataclass(frozen=True)
class Proof:
    """Trains and asks.

    Attributes:
        folder: Of songs and runs.
        model: A model folder in place of the embedded network; None for that one.
        steps: Of each adapter.
    """

    folder: Path
    model: Path | None = None
    steps: int = 150

    def judged(self, seed: int) -> dict[str, Judged]:
        """Return what each case of a seed is called, in the order of `CASES`."""
        own = self._trained("own", seed, seed)
        return dict(zip(CASES, (own, self._still(seed), self._other(seed, own), self._noise(seed), _empty(own)),
                        strict=True))  # fmt: skip

    def _still(self, seed: int) -> Judged:
        """Judge an adapter that hardly moved."""
        return self._trained("still", seed, seed, {"optim.lr": NOTHING, "schedule.steps": STILL})

    def _other(self, seed: int, own: Judged) -> Judged:
        """Judge the adapter of a style by another one: a training that begins with it and hardly moves it."""
        kept = {"adapter.start": str(own.adapter), "optim.lr": NOTHING, "schedule.steps": 1}
        return self._trained("other", seed, seed + 1, kept)

    def _noise(self, seed: int) -> Judged:
        """Judge an adapter of noise by noise."""
        return self._trained("noise", seed, None)

    def _trained(self, case: str, seed: int, held_out: int | None, knobs: dict[str, object] | None = None) -> Judged:
        """Train on the style of a seed and hold out songs of that or another one; all are noise without one."""
        songs = self.folder / f"songs-{case}-{seed}"
        for number in range(TRAINED + HELD_OUT):
            kept = number >= TRAINED
            if held_out is None:
                path = write_noise(songs / f"noise{number:02d}.flac", SEED + seed, 2 * number, SECONDS)
            else:
                path = write_song(style(SEED, held_out if kept else seed).song(number, SECONDS), songs)
            if kept:
                files.write_json(path.with_suffix(".json"), {"split": "validation"})
        acetune.scan(songs)
        model = str(self.model) if self.model else None
        layer = {**KNOBS, "data.seed": seed, "model.path": model, "data.dataset": str(songs),
                 "schedule.steps": self.steps, **(knobs or {})}  # fmt: skip
        recipe = resolve([("proof", {**layer, "guard.validate_every": layer["schedule.steps"]})]).recipe
        done = acetune.train(recipe, name=f"{case}-{seed}", on_existing="resume", home=self.folder / "home")
        return Judged(done.verdict, _change(done.folder), done.adapter)


#: What is asked, and whether "learned" is the truth.
CASES = {
    "an unseen style": True,
    "rate of next to nothing": False,
    "another style's held-out songs": False,
    "noise": False,
    "a file without keys": False,
}
WORDS = ("learned", "worse", "cannot tell", "refused")


def false(case: str, found: Iterable[Judged]) -> int:
    """Return how many answers of a case are false."""
    return sum((judged.word == "learned") != CASES[case] for judged in found)


def main() -> None:
    """Print how often each case was called what."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", type=Path, help="A model folder in place of the embedded network.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--steps", type=int, default=150)
    arguments = parser.parse_args()
    proof = Proof(arguments.folder, arguments.model, arguments.steps)
    found = []
    for seed in range(arguments.first, arguments.first + arguments.seeds):
        found.append(proof.judged(seed))
        print(seed, *(f"{one.word} {one.change:+.2%}" for one in found[-1].values()), sep=" | ", flush=True)
    rows = [_row(case, [one[case] for one in found]) for case in CASES]
    print(Table("Verdicts", ("case", *WORDS, "false", "change of the loss, lowest, middle, highest"), tuple(rows)))


def _row(case: str, found: list[Judged]) -> tuple[str, ...]:
    """Return how often a case was called what."""
    counts = Counter(judged.word for judged in found)
    return (case, *(str(counts[word]) for word in WORDS), str(false(case, found)), _spread(found))


def _empty(own: Judged) -> Judged:
    """Return what becomes of an export that lost its keys."""
    file = own.adapter.with_name("empty.safetensors")
    with safe_open(own.adapter, "pt") as source:
        save_file({}, file, dict(source.metadata()))
    try:
        acetune.generate(acetune.Request(caption="a", adapter=file, seconds=1.0, out=own.adapter.parent))
    except AcetuneError:
        return Judged("refused", 0.0, file)
    return Judged("learned", 0.0, file)


def _change(run: Path) -> float:
    """Return the change of a run's held-out loss as a share of the base network's."""
    losses = [row for unit in files.read_json(run / "evaluation" / "base.json")["units"] for row in unit["losses"]]
    found: float = files.read_json(run / "evaluation" / "verdict.json")["difference"]
    return found / (sum(losses) / len(losses))


def _spread(found: list[Judged]) -> str:
    """Return lowest, middle and highest change."""
    changes = [judged.change for judged in found]
    return ", ".join(f"{value:+.2%}" for value in (min(changes), median(changes), max(changes)))


if __name__ == "__main__":
    main()

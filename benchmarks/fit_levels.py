"""Fits how much each period counts when tempo and metre are judged: `python benchmarks/fit_levels.py FILE`.

Songs of `composer.py` (none that `annotation.py` measures with), each whole and as two noisy parts of 12 to 40 s, and
click tracks without and with accents. Of all tempi that go with the right one and all metres, the right pair shall be
the likeliest: a softmax over linear scores, by maximum likelihood with a small penalty on squares. The bounds of the
weights keep the sense: a period of the metre's own hierarchy never counts against it, another never for it. Without
these bounds composed songs are told better and real ones worse. In the end the tempo is weighed as people choose it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from composer import RATE_HZ, render, songs

from acetune.annotation.curves import CURVE_RATE_HZ, Curves, curves
from acetune.annotation.levels import METRES, MULTIPLES, PARTS, features, repetitions, tempi

HIERARCHY = {
    "4": (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 12),
    "3": (1 / 8, 1 / 4, 1 / 2, 1, 3, 6, 12),
    "6": (1 / 6, 1 / 3, 2 / 3, 1, 2, 3, 4, 6, 8, 12),
}
PENALTY = 1e-2
LARGEST = 3.0
#: Composed songs have all tempi alike; those of people lie around this one, so many octaves wide (standard deviation).
USUAL_BPM, USUAL_OCTAVES = 120.0, 1.0

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """One song: the features of each tempo that is considered, and which tempo and metre are right."""

    features: Matrix
    tempo: int
    metre: int


def examples(seeds: range) -> Iterator[Example]:
    for seed in seeds:
        for song in songs(seed, 96):
            rng = np.random.default_rng([seed, song.number, 2])
            heard = curves(render(song, seed))
            yield example(heard, song.bpm, song.timesignature)
            yield from (example(noisy_part(heard, rng), song.bpm, song.timesignature) for _ in range(2))
        print(f"seed {seed}", flush=True)
    for bpm in np.geomspace(42, 215, 60):
        for metre, accent in (("4", 1), ("4", 2), ("4", 4), ("3", 3)):
            yield example(curves(clicks(float(bpm), accent)), float(bpm), metre)


def example(heard: Curves, bpm: float, metre: str) -> Example:
    evidence, considered = repetitions(heard), tempi(bpm)
    return Example(
        np.array([features(evidence, beat) for beat in considered]), considered.index(bpm), METRES.index(metre)
    )


def noisy_part(heard: Curves, rng: np.random.Generator) -> Curves:
    """Return 12 to 40 s of a song with onsets that do not belong to it."""
    count = len(heard.full)
    size = int(rng.integers(round(12 * CURVE_RATE_HZ), count))
    start = int(rng.integers(0, count - size + 1))
    parts = [curve[start : start + size] for curve in heard.all()]
    noise = [rng.uniform(0, 1) * part.std() * np.abs(rng.standard_normal(size)) for part in parts[:3]]
    return Curves(*(part + extra for part, extra in zip(parts, noise, strict=False)), parts[3])


def clicks(bpm: float, accent: int, seconds: float = 30.0) -> npt.NDArray[np.float32]:
    """Return short tones on the beat, the first of each bar louder and lower."""
    audio = np.zeros(round(seconds * RATE_HZ), np.float32)
    at = np.arange(400) / RATE_HZ
    for beat in range(int(seconds * bpm / 60)):
        first = accent > 1 and beat % accent == 0
        tick = (0.8 if first else 0.4) * np.sin(2 * np.pi * (800 if first else 1000) * at) * np.exp(-at * 300)
        part = audio[round(beat * 60 / bpm * RATE_HZ) :][: len(tick)]
        part += tick[: len(part)].astype(np.float32)
    return audio


def bounds() -> list[tuple[float | None, float | None]]:
    """Return the least and largest weight of each feature in each metre."""
    limits: list[tuple[float | None, float | None]] = []
    for metre in METRES:
        own = [multiple in HIERARCHY[metre] for multiple in MULTIPLES]
        limits += [(0.0, LARGEST) if is_own else (-LARGEST, 0.0) for is_own in own] * 4
        limits += [(None, None), (None, 0.0), (None, None)]  # octaves, their square, 1
    return limits


def fit(known: list[Example]) -> Matrix:
    """Return the weights, shape (metres, features)."""
    from scipy.optimize import minimize

    most, width = max(len(each.features) for each in known), known[0].features.shape[1]
    table, absent = np.zeros((len(known), most, width)), np.full((len(known), most, 1), -1e9)
    for at, each in enumerate(known):
        table[at, : len(each.features)] = each.features
        absent[at, : len(each.features)] = 0
    right = (np.arange(len(known)), [each.tempo for each in known], [each.metre for each in known])

    def loss(flat: Matrix) -> tuple[float, Matrix]:
        weights = flat.reshape(len(METRES), width)
        scores = table @ weights.T + absent
        shares = np.exp(scores - scores.max(axis=(1, 2), keepdims=True))
        shares /= shares.sum(axis=(1, 2), keepdims=True)
        value = -np.log(np.maximum(shares[right], 1e-300)).mean() + PENALTY * np.square(weights).sum()
        shares[right] -= 1
        slope = np.einsum("shm,shf->mf", shares, table) / len(known) + 2 * PENALTY * weights
        return float(value), slope.ravel()

    start = np.zeros(len(METRES) * width)
    done = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds(), options={"maxiter": 2000})
    return np.asarray(done.x.reshape(len(METRES), width))


def as_usual(weights: Matrix) -> Matrix:
    """Return weights with the logarithm of a normal distribution of octaves added to their last but two and one."""
    middle = np.log2(USUAL_BPM / 110)
    shift = np.zeros_like(weights)
    shift[:, -3], shift[:, -2] = middle / USUAL_OCTAVES**2, -0.5 / USUAL_OCTAVES**2
    return weights + shift


def text(weights: Matrix, note: str) -> str:
    """Return the weights as `levels.json` holds them, one line a curve."""
    ends = [*np.cumsum([len(MULTIPLES)] * 4), weights.shape[1]]
    blocks = []
    for metre, row in zip(METRES, np.round(weights, 3) + 0.0, strict=True):
        parts = zip(PARTS, np.split(row, ends[:-1]), strict=True)
        lines = ",\n".join(f'   "{name}": {json.dumps(part.tolist())}' for name, part in parts)
        blocks.append(f'  "{metre}": {{\n{lines}\n  }}')
    return f'{{\n "fitted_to": {json.dumps(note)},\n "weights": {{\n' + ",\n".join(blocks) + "\n }\n}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="where to write the weights")
    parser.add_argument("--sets", type=int, default=12, help="of 96 songs")
    chosen = parser.parse_args()
    seeds = range(100, 100 + chosen.sets)
    weights = as_usual(fit(list(examples(seeds))))
    note = f"{96 * chosen.sets} songs of benchmarks/composer.py, seeds {seeds[0]} to {seeds[-1]}, and 240 click tracks"
    chosen.file.write_text(text(weights, note), encoding="utf-8")


if __name__ == "__main__":
    main()

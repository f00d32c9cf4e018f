"""Teaches the random network of `tiny` made-up music: `python benchmarks/pretrain_tiny.py FOLDER`.

48 styles of two songs each and 48 pieces of noise, most of them white (`styles.py`), are written, encoded with the
seeded autoencoder and text encoder, and learned with `--adapter.kind full`. What comes of it is a model folder for
`learning_proof.py --model`; its network is `tiny_networks/tiny.safetensors` of the family. Seeds are fixed: on one
machine the same versions give the same bytes. A run that was stopped goes on.

There is so much noise because "learned" would be true for an adapter on it otherwise: the verdict asks whether a
network does better than before, and one that heard little noise can learn about noise.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

from styles import style, write_noise, write_song

import acetune
from acetune import files
from acetune.families.acestep_v15 import tiny
from acetune.recipe import family_of, resolve

#: Seed of the styles; `learning_proof.py` has another one, so that it meets none of these.
SEED, SONGS, WHITE, COLOURED, SECONDS = 1, 2, 40, 8, 6.0
KNOBS = {
    "model.variant": "tiny", "adapter.kind": "full", "data.crop_seconds": 4.0, "data.batch_size": 8,
    "data.holdout": 0, "optim.lr": 2e-3, "optim.beta2": 0.99, "compute.device": "cpu", "compute.threads": 1,
}  # fmt: skip


def main() -> None:
    """Write the songs, train, and say where the model is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--styles", type=int, default=48)
    arguments = parser.parse_args()
    songs, started = arguments.folder / "songs", time.time()
    for number in range(arguments.styles):
        for song in range(SONGS):
            write_song(style(SEED, number).song(song, SECONDS), songs)
    for number in (*range(0, 2 * WHITE, 2), *range(1, 2 * COLOURED, 2)):
        write_noise(songs / f"noise{number:02d}.flac", SEED, number, SECONDS)
    acetune.scan(songs)
    base = tiny.materialise(replace(family_of("tiny")[1], taught=False), arguments.folder / "random")
    layer = {**KNOBS, "model.path": str(base), "data.dataset": str(songs), "schedule.steps": arguments.steps}
    recipe = resolve([("pretraining", layer)]).recipe
    done = acetune.train(recipe, name="tiny", on_existing="resume", home=arguments.folder / "home")
    network = done.adapter / "transformer" / "diffusion_pytorch_model.safetensors"
    print(f"{done.adapter}: {network.stat().st_size:,} bytes, {time.time() - started:.0f} s")
    print(files.content_hash(network))


if __name__ == "__main__":
    main()

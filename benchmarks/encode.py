"""How fast audio becomes latents, and what cutting it into chunks costs: `python benchmarks/encode.py [--full]`.

The chunks carry seven latent frames of real neighbours on each side. The table compares them with encoding in one
piece, in time and in values. ``--full`` takes the published width (128 channels, 84 M parameters, random weights).
"""

from __future__ import annotations

import warnings
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from diffusers import AutoencoderOobleck
from timing import Table, arguments, publish, ratio, take_turns

from acetune import recipe
from acetune.audio.signal import Samples
from acetune.events import Job
from acetune.families.acestep_v15.codec import OobleckCodec

RATE_HZ = 48_000
FULL_WIDTH = {
    "encoder_hidden_size": 128,
    "downsampling_ratios": [2, 4, 4, 6, 10],
    "channel_multiples": [1, 2, 4, 8, 16],
    "decoder_channels": 128,
    "decoder_input_channels": 64,
    "audio_channels": 2,
    "sampling_rate": RATE_HZ,
}
#: torch draws the weights of a convolution so that a signal shrinks by this in each.
GAIN = 3**0.5
_CPU = torch.device("cpu")


def noise(seconds: float) -> Samples:
    """Return noise: zeros would be quicker to encode than music."""
    return np.random.default_rng(0).standard_normal((round(seconds * RATE_HZ), 2)).astype(np.float32) * 0.2


def tiny_autoencoder() -> torch.nn.Module:
    """Return the autoencoder of the embedded variant."""
    chosen = recipe.resolve([("benchmark", {"model.variant": "tiny"})]).recipe
    card, _ = recipe.family_of("tiny")
    with TemporaryDirectory() as models:
        return card.open(chosen, Path(models), Job()).weights.load("vae", _CPU, torch.float32)


def full_autoencoder() -> torch.nn.Module:
    """Return an autoencoder of the published width, its weights large enough that music reaches the latents."""
    torch.manual_seed(0)
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # diffusers' use of the older weight_norm
        vae = AutoencoderOobleck(**FULL_WIDTH).requires_grad_(False).eval()
    for name, parameter in vae.named_parameters():
        if name.endswith("weight_g"):
            parameter.mul_(GAIN)
    return vae


def one_piece(vae: torch.nn.Module, audio: Samples) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and deviation (T, C) of a song that is encoded whole."""
    with torch.inference_mode():
        posterior = vae.encode(torch.from_numpy(audio.T.copy()).unsqueeze(0)).latent_dist
        return posterior.mean[0].T, posterior.std[0].T


def measure(name: str, vae: torch.nn.Module, seconds: float, rounds: int, threads: int) -> tuple[float | str, ...]:
    """Return a row of the table."""
    codec, audio = OobleckCodec(vae, _CPU), noise(seconds)
    whole, chunks = one_piece(vae, audio), codec.encode(audio)
    most = max(float((a - b).abs().max() / a.abs().max()) for a, b in zip(whole, chunks, strict=True))
    ways = {"chunks": lambda: codec.encode(audio), "whole": lambda: one_piece(vae, audio)}
    times = take_turns(ways, rounds, threads)
    speeds = (seconds / median(times[way]) for way in ways)
    return (name, seconds, *speeds, ratio(times["whole"], times["chunks"]), most)


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--full", action="store_true", help="the published width too (about a minute)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=8)
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    tiny = tiny_autoencoder()
    rows = [measure("tiny", tiny, seconds, chosen.rounds, chosen.threads) for seconds in (12.0, 60.0)]
    if chosen.full:
        full = full_autoencoder()
        rows += [measure("full width", full, seconds, 3, chosen.threads) for seconds in (4.0, 12.0)]
    columns = ("autoencoder", "audio s", "chunks x realtime", "whole x realtime", "whole / chunks", "difference")
    title = "Encoding; largest difference of a value, relative to the largest value"
    publish([Table(title, columns, tuple(rows))], chosen.json, chosen.threads)


if __name__ == "__main__":
    main()

"""Quick settings, synthetic songs and workspaces for tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np

#: A training that takes a second: short crops, few steps.
QUICK = {
    "model.variant": "tiny",
    "data.crop_seconds": 1.2,
    "data.batch_size": 2,
    "schedule.steps": 6,
    "adapter.rank": 4,
    "adapter.alpha": 8.0,
    "compute.device": "cpu",
    "compute.threads": 1,
}


def tone(path: Path, seconds: float, seed: int = 0, rate_hz: int = 48_000) -> Path:
    """Write a stereo file of a few sines and noise."""
    from acetune.audio import files

    rng = np.random.default_rng(seed)
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    chord = sum(
        np.sin(2 * np.pi * f * t + p) for f, p in zip(rng.uniform(80, 900, 4), rng.uniform(0, 6, 4), strict=True)
    )
    audio = 0.15 * np.stack([chord, np.roll(chord, 300)], axis=1) + 0.02 * rng.standard_normal((len(t), 2))
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, audio.astype(np.float32), rate_hz=rate_hz)
    return path


def make_home(folder: Path, models: Path, cache: Path) -> Path:
    """Make a workspace that shares models and cache."""
    folder.mkdir()
    (folder / "models").symlink_to(models)
    (folder / "cache").symlink_to(cache)
    return folder

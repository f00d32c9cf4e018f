"""Snapshots for maps: where songs and prompts lie, and how far training moves what each block of the network says.

One file a snapshot, ``probes/<step>.safetensors``, with one row for each song:

    latents (N, C)      mean over frames
    prompts (N, D)      mean over tokens of the text part
    blocks (N, L, D)    mean over frames of a block's output less the base network's, at the same noise and t;
                        narrower blocks end in zeros

The names of songs and blocks are in the file's metadata. Nothing of it reaches the training.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from acetune import files
from acetune.encoding.parts import TrackParts
from acetune.events import Job, Saved
from acetune.families.family import Example, Part
from acetune.flow import path, randomness
from acetune.run import Run
from acetune.training.session import Session
from acetune.training.sharding import blocks
from acetune.training.together import as_base
from acetune.training.trainable import precision

#: Where between noise and music the network is asked.
_TIME: Final = 0.5
_VERSION: Final = "1"


class Probes:
    """Takes the snapshots of a run.

    Args:
        run: Where they go.
        session: What is trained.
        job: Hears of them.
    """

    def __init__(self, run: Run, session: Session, job: Job) -> None:
        self._run, self._session, self._job = run, session, job
        crops = _crops(session)[: session.recipe.preview.probes]
        self._songs = tuple(parts.track.path for parts, _, _ in crops)
        self._examples = tuple(session.examples.held_out_example(crop) for crop in crops)
        self._blocks = tuple(blocks(session.network)) if self._examples else ()

    def base(self, start: int) -> None:
        """Take the snapshot of the base network, from which all others are measured, unless that of these songs is."""
        if self._examples and self._seen() != list(self._songs):
            with as_base(self._session, start):
                self._write(0, self._outputs())

    def after(self, step: int) -> None:
        """Take the snapshot of a step."""
        if self._examples:
            with self._session.in_use():
                outputs = self._outputs()
            self._write(step, outputs - load_file(self._file(0))["blocks"])

    def _seen(self) -> list[str] | None:
        """Return the songs of the base network's snapshot; None where there is none."""
        if not self._file(0).is_file():
            return None
        with safe_open(self._file(0), "pt") as file:
            found: list[str] = json.loads(file.metadata()["songs"])
            return found

    def _write(self, step: int, blocks: Tensor) -> None:
        """Write a snapshot and report it."""
        rows = {
            "latents": torch.stack([example.latents.mean(0) for example in self._examples]),
            "prompts": torch.stack([_mean(example.text) for example in self._examples]),
            "blocks": blocks,
        }
        names = {"version": _VERSION, "songs": json.dumps(self._songs), "blocks": json.dumps(self._blocks)}
        with files.draft_file(self._file(step)) as draft:
            save_file(rows, draft, metadata={**names, "step": str(step), "t": str(_TIME)})
        self._job.report(Saved(path=self._run.relative(self._file(step)), what="probe", step=step))

    @torch.no_grad()
    def _outputs(self) -> Tensor:
        """Return the mean over frames of each block's output for each song (N, L, D), float32 on the CPU."""
        network = self._session.network
        training = network.training
        network.eval()
        with _listening(network, self._blocks) as heard:
            rows = [self._asked(number, example, heard) for number, example in enumerate(self._examples)]
        network.train(training)
        return torch.stack(rows)

    def _asked(self, number: int, example: Example, heard: dict[str, Tensor]) -> Tensor:
        """Show the network one song and return what its blocks said (L, D)."""
        session, family = self._session, self._session.family
        batch = family.collate([example], session.examples.constants, session.device)
        noise = randomness.normal(tuple(example.latents.shape), session.recipe.data.seed, "probe", number)
        t = family.round_times(torch.tensor([_TIME]), session.dtype).to(session.device)
        x_t = path.noisy(batch.x0, noise[None].to(session.device), t)
        with precision(session.facts, session.device, session.dtype):
            family.predict(session.network, batch, x_t, t, torch.zeros(1, dtype=torch.bool, device=session.device))
        return nn.utils.rnn.pad_sequence([heard[name] for name in self._blocks], batch_first=True).cpu()

    def _file(self, step: int) -> Path:
        """Return the file of a snapshot."""
        return self._run.folder / "probes" / f"{step:06d}.safetensors"


def _crops(session: Session) -> list[tuple[TrackParts, int, int]]:
    """Return the first crop of each song: held-out ones first."""
    examples = session.examples
    crops = [unit.crops[0] for unit in examples.held_out()]
    crops += [(song.parts, 0, song.cuts.crop) for song in examples.songs]
    return list({parts.track.path: (parts, start, length) for parts, start, length in reversed(crops)}.values())[::-1]


def _mean(part: Part) -> Tensor:
    """Return the mean over tokens of the vectors of a text, or its one vector, joined."""
    tensors = [tensor.float() for tensor in part.values() if tensor.is_floating_point()]
    return torch.cat([tensor.reshape(-1, tensor.shape[-1]).mean(0) for tensor in tensors])


@contextmanager
def _listening(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Yield what fills with the mean output of each of these modules while the network is asked."""
    heard: dict[str, Tensor] = {}
    modules = dict(network.named_modules())
    hooks = [modules[name].register_forward_hook(_noting(name, heard)) for name in names]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _noting(name: str, heard: dict[str, Tensor]) -> Callable[[nn.Module, object, object], None]:
    """Return a hook that notes the mean over batch and frames of what a module says."""

    def hook(module: nn.Module, inputs: object, output: object) -> None:
        said = output[0] if isinstance(output, tuple) else output
        if isinstance(said, Tensor):
            heard[name] = said.detach().float().flatten(0, -2).mean(0)

    return hook

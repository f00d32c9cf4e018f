"""What a self-test looks at: each check measures, and says whether that is as it should be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch

from acetune import catalog, compute
from acetune.adapters import attach
from acetune.audio.songs import RATE_HZ
from acetune.events import Json
from acetune.formats.format import TOLERANCE, Format, export_checked
from acetune.formats.format import Bench as ExportBench
from acetune.formats.peft import PEFT
from acetune.training import checkpoint
from acetune.trial import consumers, reference
from acetune.trial.bench import SECONDS, STEPS, Bench

#: Largest differences, relative to the largest value. Two ways through float32 differ by the order of their sums;
#: accelerators convolve in TF32 and add in an order that changes.
_EXACT, _FLOAT32, _TF32 = 1e-6, 1e-4, 5e-3
#: The same for velocities in 16 bits, after many layers.
_HALF: Final = {torch.bfloat16: 1e-1, torch.float16: 2e-2}
#: Number format that exports are written in.
_EXPORT = "bfloat16"


@dataclass(frozen=True)
class Outcome:
    """What a check found; `why` is a word for what is wrong or missing, empty where all is well."""

    numbers: Mapping[str, Json]
    why: str = ""
    skipped: bool = False


@dataclass(frozen=True)
class Check:
    """A check and the checks without whose success it makes no sense."""

    name: str
    run: Callable[[Bench], Outcome]
    needs: tuple[str, ...] = field(default=())


def weights(bench: Bench) -> Outcome:
    """Load the network: every tensor has its place and is a number, and there are as many as its size says."""
    network = bench.family.load_network(bench.device, bench.dtype)
    tensors = network.state_dict()
    broken = sum(not bool(torch.isfinite(tensor).all()) for tensor in tensors.values())
    count = sum(parameter.numel() for parameter in network.parameters())
    numbers: dict[str, Json] = {"tensors": len(tensors), "parameters": count, "not_finite": broken}
    return Outcome(numbers, "not_finite" if broken else "")


def codec(bench: Bench) -> Outcome:
    """Encode the song in chunks and at once, and decode it."""
    coder = bench.family.load_codec(bench.device)
    started = time.perf_counter()
    mean, _ = coder.encode(bench.song)
    encoded = time.perf_counter()
    audio = coder.decode(mean)
    decoded = time.perf_counter()
    whole, _ = coder.whole().encode(bench.song)
    apart = reference.apart(mean, whole)
    song = torch.from_numpy(bench.song[: len(audio)])
    both = torch.stack([song.flatten(), torch.from_numpy(audio[: len(song)]).flatten()])
    numbers: dict[str, Json] = {
        "chunks_apart": apart, "correlation": float(torch.corrcoef(both)[0, 1]), "frames": len(mean),
        "encode_times_real": SECONDS / (encoded - started), "decode_times_real": SECONDS / (decoded - encoded),
    }  # fmt: skip
    allowed = _EXACT if bench.device.type == "cpu" else _TF32
    sound = bool(torch.isfinite(both).all()) and abs(len(audio) - SECONDS * RATE_HZ) < RATE_HZ / 10
    return Outcome(numbers, "chunks_differ" if not apart <= allowed else "" if sound else "no_sound")


def maths(bench: Bench) -> Outcome:
    """Compare velocity and gradients on the device with those of the processor in more digits."""
    digits = reference.digits(bench.family.variant.size.parameters)
    if digits is None:
        return Outcome({}, "little_memory", skipped=True)
    exact = reference.answers(bench, torch.device("cpu"), digits)
    found = reference.answers(bench, bench.device, torch.float32)
    velocity = reference.apart(found.velocity, exact.velocity)
    gradient = max(reference.apart(found.gradients[name], wanted) for name, wanted in exact.gradients.items())
    numbers: dict[str, Json] = {"against": str(digits), "velocity": velocity, "gradient": gradient}
    good = velocity <= _FLOAT32 and gradient <= 10 * _FLOAT32
    if bench.dtype in _HALF:
        own = reference.answers(bench, bench.device, bench.dtype)
        numbers["velocity_16_bit"] = reference.apart(own.velocity, exact.velocity)
        good = good and reference.apart(own.velocity, exact.velocity) <= _HALF[bench.dtype]
    return Outcome(numbers, "" if good else "other_numbers")


def learning(bench: Bench) -> Outcome:
    """Train on one song: losses are numbers, and that of the song on fixed noise is lower afterwards."""
    trained = bench.trained
    base, after = trained.base.per_unit()[0], trained.after.per_unit()[0]
    numbers: dict[str, Json] = {
        "base_loss": base, "after": after, "steps": STEPS, "seconds_per_step": trained.seconds,
        "times": list(trained.base.times), "base_by_t": list(trained.base.values[0]),
        "after_by_t": list(trained.after.values[0]),
    }  # fmt: skip
    total, free = compute.memory(bench.device)
    numbers |= {"memory_bytes": total, "free_bytes": free}
    if not all(abs(loss) < float("inf") for loss in (*trained.losses, base, after)):
        return Outcome(numbers, "not_finite")
    return Outcome(numbers, "" if after < base else "not_lower")


def resume(bench: Bench) -> Outcome:
    """Go on from the checkpoint in the middle of that training: the end is the same, on processors to the bit."""
    session = bench.session()
    checkpoint.restore(bench.trained.half, session.optimizer, session.parameters)
    for number in range(STEPS // 2, STEPS):
        session.update(number)
    again, wanted = session.adapter(STEPS).weights, bench.trained.adapter.weights
    apart = max(reference.apart(again[name], tensor) for name, tensor in wanted.items())
    return Outcome({"apart": apart}, "" if apart <= (0.0 if bench.device.type == "cpu" else _TF32) else "other_end")


def export(bench: Bench) -> Outcome:
    """Write the adapter in every format that holds it, read each back and run it; let PEFT load its folder too."""
    network = bench.family.load_network(bench.device, bench.dtype)
    adapter = bench.trained.adapter
    attach.attach_trained(network, adapter)
    numbers: dict[str, Json] = {}
    for name in catalog.names("exporter"):
        form: Format = catalog.resolve("exporter", name)
        if form.refusal(adapter.facts) is None:
            target = form.target(bench.scratch / name, "selftest")
            target.parent.mkdir()
            numbers[name] = export_checked(
                form, adapter, bench.card, target, _EXPORT, ExportBench(bench.family, network)
            )
            if name == PEFT.name:
                numbers["peft_loader"] = consumers.peft_apart(network, adapter, bench.card, target)
    loaded = numbers["peft_loader"]
    return Outcome(numbers, "" if isinstance(loaded, float) and loaded <= TOLERANCE[_EXPORT] else "peft_differs")


#: In the order in which they run.
CHECKS: Final = (
    Check("weights", weights),
    Check("codec", codec, ("weights",)),
    Check("maths", maths, ("weights",)),
    Check("learning", learning, ("weights", "codec")),
    Check("resume", resume, ("learning",)),
    Check("export", export, ("learning",)),
)

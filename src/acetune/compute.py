"""Devices, number formats, memory readings and the environment: the only place that names them."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from acetune.errors import SettingError

if TYPE_CHECKING:
    import torch

_DTYPES = ("auto", "float32", "bfloat16", "float16")


def environment(name: str) -> str | None:
    """Return the value of ``ACETUNE_<name>``; an empty value counts as unset."""
    return os.environ.get(f"ACETUNE_{name}") or None


def offline() -> bool:
    """Whether the user forbade downloads (``HF_HUB_OFFLINE=1``)."""
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


@dataclass(frozen=True)
class Place:
    """Which of the processes that train together this one is: its number, how many there are, its number here."""

    rank: int = 0
    size: int = 1
    local: int = 0


def place() -> Place:
    """Return which process this is among those that torchrun, accelerate or a script of ours started."""
    names = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    if not all(os.environ.get(name) for name in names):
        return Place()
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    return Place(rank, size, int(os.environ.get("LOCAL_RANK") or rank))


def environment_of(where: Place, address: str, port: int) -> dict[str, str]:
    """Return the environment of a process that is to be in a place and to meet the others at an address."""
    values = (where.rank, where.size, where.local, address, port)
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    return {**os.environ, **{name: str(value) for name, value in zip(names, values, strict=True)}}


def one_thread_each() -> None:
    """Let numpy and torch of this process use one thread; to be called before they are imported."""
    for library in ("OMP", "MKL", "OPENBLAS"):
        os.environ[f"{library}_NUM_THREADS"] = "1"


def device(name: str = "auto") -> torch.device:
    """Return a device that exists here.

    Args:
        name: "auto" (the best there is), "cpu", "cuda", "cuda:1", "mps" or "xpu".

    Raises:
        SettingError: If torch cannot use that device on this machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if name == "cuda" and 0 < place().local < torch.cuda.device_count():
        name = f"cuda:{place().local}"  # a launcher that shows each process one card leaves nothing to choose
    try:
        wanted = torch.device(name)
        torch.zeros(1, device=wanted).item()  # the meta device exists, but computes nothing
    except (RuntimeError, AssertionError, NotImplementedError) as cause:
        raise SettingError("compute.no_device", device=name, torch=torch.__version__) from cause
    return wanted


def make_current(where: torch.device) -> None:
    """Let libraries that ask for no device use this one."""
    import torch

    if where.type == "cuda":
        torch.cuda.set_device(where.index or 0)


def count(where: torch.device) -> int | None:
    """Return how many devices of a kind are here; None where any number of processes can share it."""
    import torch

    return None if where.type == "cpu" else torch.get_device_module(where).device_count()


def dtype(name: str, where: torch.device) -> torch.dtype:
    """Return the number format of frozen weights.

    Args:
        name: "auto" (bfloat16 on accelerators that have it, float32 elsewhere) or a torch name.
        where: Device of the weights.

    Raises:
        SettingError: If the name is not one of ours.
    """
    import torch

    if name not in _DTYPES:
        raise SettingError("compute.no_dtype", dtype=name, known=", ".join(_DTYPES))
    if name != "auto":
        return getattr(torch, name)  # type: ignore[no-any-return]
    if where.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return torch.float32


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Use so many processor threads inside the block (None: as many as before); equal bits need equal threads."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def seeded(seed: int, where: torch.device) -> Iterator[None]:
    """Let libraries that draw from torch's hidden generators draw from a seed; afterwards these are as they were."""
    import torch

    with torch.random.fork_rng(devices=[where] if where.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def to_device(tensor: torch.Tensor, where: torch.device) -> torch.Tensor:
    """Return a tensor on a device without waiting for the device: accelerators copy from pinned memory."""
    if where.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(where, non_blocking=True)
    return tensor.to(where)


def release(where: torch.device) -> None:
    """Give memory of models that were dropped back to the device."""
    import torch

    if where.type == "cuda":
        gc.collect()  # models hold cycles, and only what is collected can be given back
        torch.cuda.empty_cache()


def wait(where: torch.device) -> None:
    """Return when a device has done what it was given."""
    import torch

    if where.type == "cuda":
        torch.cuda.synchronize(where)


def forget_peak(where: torch.device) -> None:
    """Begin to measure the most memory anew."""
    import torch

    if where.type == "cuda":
        torch.cuda.reset_peak_memory_stats(where)


def peak_bytes(where: torch.device) -> int | None:
    """Return the most memory that was taken from a device since `forget_peak`; None where it does not tell."""
    import torch

    return torch.cuda.max_memory_reserved(where) if where.type == "cuda" else None


@dataclass(frozen=True)
class Machine:
    """What this machine has, for the planner and the doctor. Sizes in bytes; None where unknown.

    `devices` of the kind are here; None where any number of processes can share it.
    """

    device: str
    name: str
    total_bytes: int | None
    free_bytes: int | None
    system: str
    python: str
    torch: str
    torch_build: str
    nvidia_card: str | None
    devices: int | None = None


def machine(name: str = "auto") -> Machine:
    """Read device, memory and the torch build of this machine."""
    import torch

    chosen = device(name)
    total, free = memory(chosen)
    label = torch.cuda.get_device_name(chosen) if chosen.type == "cuda" else _processor()
    build = torch.version.cuda and f"CUDA {torch.version.cuda}" or torch.version.hip and f"ROCm {torch.version.hip}"
    return Machine(
        device=str(chosen),
        name=label,
        total_bytes=total,
        free_bytes=free,
        system=sys.platform,
        python=sys.version.split()[0],
        torch=torch.__version__,
        torch_build=build or "CPU",
        nvidia_card=_nvidia_card(),
        devices=count(chosen),
    )


#: Floating point operations a second that a training step reaches: assumptions until they are measured.
_STEP_RATES = {"cuda": 40e12, "mps": 4e12, "xpu": 15e12, "cpu": 40e9}


def step_rate(device: str) -> float:
    """Return the operations a second that the planner reckons with for a device such as "cpu" or its first word."""
    return _STEP_RATES.get(device.partition(":")[0], _STEP_RATES["cpu"])


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch raised this because a device ran out of memory."""
    import torch

    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def memory(where: torch.device) -> tuple[int | None, int | None]:
    """Return total and free bytes of a device, of the main memory for all but CUDA."""
    import torch

    if where.type == "cuda":
        free, total = torch.cuda.mem_get_info(where)
        return total, free
    import psutil  # type: ignore[import-untyped]

    main = psutil.virtual_memory()
    return main.total, main.available


def _processor() -> str:
    """Return the number of cores in words."""
    return f"{os.cpu_count()} cores"


def room(name: str = "auto") -> tuple[bool, int | None]:
    """Return whether a device is the processor, and its free bytes if they can be told; torch is not asked.

    Args:
        name: As `device` takes it.
    """
    from importlib.metadata import version

    import psutil

    cards = [] if name == "cpu" or version("torch").endswith("+cpu") else _ask_nvidia("memory.free")
    if cards:
        sizes = [int(size.split()[0]) << 20 for size in cards if size.split()[0].isdecimal()]
        return False, max(sizes, default=None)
    on_processor = name == "cpu" or (name == "auto" and sys.platform != "darwin")
    knows = on_processor or sys.platform == "darwin"
    return on_processor, psutil.virtual_memory().available if knows else None


def _nvidia_card() -> str | None:
    """Return the name of an NVIDIA card, asked of its driver and not of torch; None without one."""
    return next(iter(_ask_nvidia("name")), None)


def _ask_nvidia(what: str) -> list[str]:
    """Return what the driver says about each NVIDIA card; nothing without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        answer = subprocess.run(
            [tool, f"--query-gpu={what}", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return []
    return answer.stdout.strip().splitlines() if answer.returncode == 0 else []

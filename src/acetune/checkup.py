"""Verb `doctor`: what this machine has, what is wrong with it, and the line that mends it."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from acetune import catalog, compute
from acetune.compute import Machine
from acetune.monitor.words import Words
from acetune.workspace import Workspace

Level = Literal["ok", "warn", "fault"]

#: Python versions that acetune was tested with.
_OLDEST, _NEWEST = (3, 11), (3, 14)
#: Main memory below which a 2B network is slow to load, and free disk below which its weights do not fit.
_LITTLE_MEMORY, _LITTLE_DISK, _NO_DISK = 12e9, 15e9, 1e9
#: The CUDA build that is offered where torch has none: one that current drivers run.
_CUDA_INDEX: Final = "https://download.pytorch.org/whl/cu130"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        code: Stable name, a key of the texts ``doctor.*``.
        level: ok, warn (works, but) or fault (will not work).
        params: Values that the texts name.
    """

    code: str
    level: Level
    params: MappingProxyType[str, object] = field(default_factory=lambda: MappingProxyType({}))

    def what(self, language: str = "en") -> str:
        """Return what was found, in one sentence."""
        return Words("doctor", language)(self.code, **self.params)

    def remedy(self, language: str = "en") -> str:
        """Return what to do about it; empty where nothing is to be done."""
        return Words("doctor", language).remedy(self.code, **self.params)


def doctor(*, home: str | Path | None = None) -> tuple[Finding, ...]:
    """Look at Python, libraries, torch, the device, memory, disk, the workspace and the weights.

    Args:
        home: The workspace to look at.

    Returns:
        What was found, good things too, in the order of looking.
    """
    workspace = Workspace.at(home)
    return (
        check_python(sys.version_info[:2]),
        *check_libraries(tuple(importlib.metadata.requires("acetune") or ()), _installed),
        *_torch(),
        *_main_memory(),
        *check_disk(_nearest(workspace.home)),
        *check_models(workspace.models),
    )


def check_python(version: tuple[int, int]) -> Finding:
    """Return whether this Python is one that acetune was tested with."""
    text = ".".join(map(str, version))
    if _OLDEST <= version <= _NEWEST:
        return _finding("python", "ok", version=text)
    return _finding("python_untested", "warn", version=text, newest=".".join(map(str, _NEWEST)))


def check_libraries(requirements: tuple[str, ...], installed: Callable[[str], str | None]) -> Iterator[Finding]:
    """Yield a fault for each required library that is missing or too old, or that all are there.

    Args:
        requirements: Lines such as ``diffusers>=0.42``; those of extras are not looked at.
        installed: Returns the version of a library, None where it is not installed.
    """
    wanted = [re.fullmatch(r"([\w.-]+)>=([\d.]+)", line.replace(" ", "")) for line in requirements]
    faults = 0
    for found in wanted:
        if found is None:
            continue
        name, least = found.groups()
        version = installed(name)
        if version is None or _release(version) < _release(least):
            faults += 1
            yield _finding("library", "fault", name=name, least=least, version=version or "-")
    if not faults:
        yield _finding("libraries", "ok", count=sum(found is not None for found in wanted))


def check_torch(machine: Machine) -> Iterator[Finding]:
    """Yield whether torch was built for the card that is here, and how much memory there is."""
    version = machine.torch.partition("+")[0]
    if machine.nvidia_card and machine.torch_build == "CPU":
        yield _finding("torch_cpu", "fault", card=machine.nvidia_card, version=version, index=_CUDA_INDEX)
    elif machine.nvidia_card and machine.device == "cpu":
        yield _finding("torch_no_device", "fault", card=machine.nvidia_card, build=machine.torch_build)
    else:
        yield _finding("torch", "ok", version=machine.torch, build=machine.torch_build)
    if (machine.devices or 1) > 1:
        yield _finding("devices", "ok", count=machine.devices, device=machine.device.partition(":")[0])
    if machine.total_bytes is None:
        yield _finding("device_unknown_memory", "ok", device=machine.device, name=machine.name)
        return
    size = f"{machine.total_bytes / 1e9:.1f}"
    free = f"{(machine.free_bytes or 0) / 1e9:.1f}"
    little = machine.total_bytes < _LITTLE_MEMORY
    code = "device_little_memory" if little else "device"
    yield _finding(code, "warn" if little else "ok", device=machine.device, name=machine.name, total=size, free=free)


def check_disk(folder: Path) -> Iterator[Finding]:
    """Yield how much room there is and whether one may write.

    Args:
        folder: An existing folder, on the workspace's disk.
    """
    free = shutil.disk_usage(folder).free
    level: Level = "fault" if free < _NO_DISK else "warn" if free < _LITTLE_DISK else "ok"
    yield _finding("disk" if level == "ok" else "disk_little", level, folder=folder, free=f"{free / 1e9:.1f}")
    try:
        with tempfile.TemporaryFile(dir=folder):
            yield _finding("writable", "ok", folder=folder)
    except OSError as cause:
        yield _finding("not_writable", "fault", folder=folder, cause=cause.strerror)


def check_models(models: Path) -> Iterator[Finding]:
    """Yield which published variants have their weights here, and whether more may be fetched."""
    cards = [catalog.resolve("family", name) for name in catalog.names("family")]
    published = [(card, variant) for card in cards for variant in card.variants if not variant.embedded]
    here = [variant.name for card, variant in published if _is_here(card.locate(variant, models))]
    if here:
        yield _finding("models", "ok", names=", ".join(here))
    else:
        yield _finding("models_none", "warn", folder=models)
    if compute.offline():
        yield _finding("offline", "warn")


def _is_here(parts: Mapping[str, Path | None] | None) -> bool:
    """Whether all parts of a variant were found."""
    return parts is not None and all(parts.values())


def _torch() -> Iterator[Finding]:
    """Yield what torch and the device are like; a torch that cannot be loaded is the fault itself."""
    try:
        machine = compute.machine()
    except (ImportError, OSError) as cause:  # a missing DLL on Windows is an OSError
        yield _finding("torch_broken", "fault", cause=" ".join(str(cause).split())[:200])
        return
    yield from check_torch(machine)


def _main_memory() -> Iterator[Finding]:
    """Yield how much main memory there is: models pass through it on their way to any device."""
    try:
        import psutil  # type: ignore[import-untyped]
    except ImportError:  # a damaged installation, which the libraries' findings name
        return
    memory = psutil.virtual_memory()
    yield _finding("memory", "ok", total=f"{memory.total / 1e9:.1f}", free=f"{memory.available / 1e9:.1f}")


def _nearest(folder: Path) -> Path:
    """Return a folder or the nearest one above it that exists."""
    return next(place for place in (folder, *folder.parents) if place.is_dir())


def _finding(code: str, level: Level, **params: object) -> Finding:
    """Return a finding with its values."""
    return Finding(code, level, MappingProxyType(params))


def _installed(name: str) -> str | None:
    """Return the version of an installed library."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def _release(version: str) -> tuple[int, ...]:
    """Return the numbers of a version, without what follows them."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, found.group().split("."))) if found else ()

"""The verb `selftest`: look whether a model does on this machine what it should, and write down what was found."""

from __future__ import annotations

import importlib.metadata
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from acetune import compute, files
from acetune.errors import AcetuneError, MissingDependency, ResourceError, SettingError, Stopped
from acetune.events import Job, Json, Progress, StageEnded, StageStarted
from acetune.recipe import resolve
from acetune.trial.bench import Bench
from acetune.trial.checks import CHECKS, Check
from acetune.workspace import Workspace

#: Layout of the result file.
VERSION = 1
_STAGE = "selftest"
#: Libraries whose versions decide what comes out.
_LIBRARIES = ("acetune", "torch", "diffusers", "transformers", "peft", "accelerate", "safetensors", "numpy")


@dataclass(frozen=True)
class Finding:
    """What came of a check.

    Attributes:
        name: Of the check.
        state: "passed", "failed" or "skipped".
        why: Code of the error, a word, or the check that failed before; empty where it passed.
        detail: What the error says; it may name folders, so that the result file leaves it out.
        numbers: What was measured.
        seconds: How long it took.
    """

    name: str
    state: str
    why: str
    detail: str
    numbers: dict[str, Json]
    seconds: float

    def to_json(self) -> dict[str, Json]:
        """Return what may be given away."""
        return {
            "name": self.name,
            "state": self.state,
            "why": self.why,
            "numbers": self.numbers,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class SelftestResult:
    """What was found, and the file that says so."""

    model: str
    findings: tuple[Finding, ...]
    file: Path

    @property
    def failed(self) -> int:
        """Return how many checks failed."""
        return sum(finding.state == "failed" for finding in self.findings)


def selftest(
    model: str = "tiny",
    *,
    model_path: str | Path | None = None,
    device: str = "auto",
    dtype: str = "auto",
    home: str | Path | None = None,
    job: Job | None = None,
) -> SelftestResult:
    """Load a model, compare its numbers, train it a little, resume, export; write what was found to a file.

    The file has versions, machine and numbers, and neither paths nor names: people can attach it to a report.

    Args:
        model: Variant.
        model_path: Its weights, where they are not in a usual place.
        device: Where; "auto" is the best there is.
        dtype: Number format of the frozen weights.
        home: Workspace folder; the file is written to its ``selftest``.
        job: Hears the progress; can stop between checks.

    Raises:
        SettingError: If there is no such variant or device.
        MissingDependency: If the weights are not here and may not be fetched.
        ResourceError: If there is no room on disk or on the device.
        Stopped: If asked to.
    """
    job, workspace = job or Job(), Workspace.at(home)
    asked = {"model.variant": model, "model.path": None if model_path is None else str(model_path),
             "compute.device": device, "compute.dtype": dtype}  # fmt: skip
    recipe = resolve([("selftest", asked)]).recipe
    machine = compute.machine(device)
    job.report(StageStarted(stage=_STAGE, total=len(CHECKS), unit="checks"))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        bench = Bench(recipe, workspace.models, Path(scratch), job)
        findings: tuple[Finding, ...] = ()
        for check in CHECKS:
            job.check_stop(_STAGE)
            findings += (_found(check, bench, findings),)
            job.report(Progress(stage=_STAGE, done=len(findings), total=len(CHECKS), item=check.name))
        facts = _facts(bench, findings)
    file = workspace.home / "selftest" / f"{recipe.model.variant}-{machine.device.replace(':', '-')}.json"
    content = {"version": VERSION, **facts, "machine": asdict(machine), "libraries": _versions(_LIBRARIES)}
    files.write_json(file, {**content, "checks": [finding.to_json() for finding in findings]})
    result = SelftestResult(recipe.model.variant, findings, file)
    job.report(StageEnded(stage=_STAGE, result={"failed": result.failed, "file": str(file)}))
    return result


def _found(check: Check, bench: Bench, before: Sequence[Finding]) -> Finding:
    """Return what a check finds; what stops the whole test is raised."""
    missing = [finding.name for finding in before if finding.name in check.needs and finding.state != "passed"]
    if missing:
        return Finding(check.name, "skipped", missing[0], "", {}, 0.0)
    started = time.perf_counter()
    numbers: dict[str, Json] = {}
    try:
        outcome = check.run(bench)
        state = "skipped" if outcome.skipped else "failed" if outcome.why else "passed"
        why, detail, numbers = outcome.why, "", dict(outcome.numbers)
    except (Stopped, MissingDependency, ResourceError, SettingError):
        raise
    except AcetuneError as error:
        state, why, detail = "failed", error.code, error.message()
    except (RuntimeError, ValueError, ArithmeticError) as error:  # what torch raises where a device cannot do something
        if isinstance(error, RuntimeError) and compute.is_out_of_memory(error):
            raise
        state, why, detail = "failed", type(error).__name__, " ".join(str(error).split())[:300]
    return Finding(check.name, state, why, detail, numbers, round(time.perf_counter() - started, 2))


def _facts(bench: Bench, findings: Sequence[Finding]) -> dict[str, Json]:
    """Return what was tested; fingerprints only of weights that could be read."""
    facts: dict[str, Json] = {"model": bench.model.model.variant, "device": bench.device.type, "date": _today()}
    facts["dtype"] = str(bench.dtype).removeprefix("torch.")
    readable = findings[0].state == "passed"
    return facts | {"fingerprint": bench.family.fingerprint if readable else None}


def _today() -> str:
    """Return the date in UTC."""
    return time.strftime("%Y-%m-%d", time.gmtime())


def _versions(names: Sequence[str]) -> dict[str, Json]:
    """Return the versions of libraries; those that are not installed are left out."""
    installed = {d.name.lower(): d.version for d in importlib.metadata.distributions() if d.name}
    return {name: installed[name] for name in names if name in installed}

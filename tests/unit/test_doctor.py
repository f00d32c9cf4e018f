"""What the doctor says about machines, without having them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from acetune.checkup import Finding, check_disk, check_libraries, check_python, check_torch, doctor
from acetune.compute import Machine

WORKSTATION = Machine(
    device="cuda:0",
    name="NVIDIA RTX 4090",
    total_bytes=24_000_000_000,
    free_bytes=23_000_000_000,
    system="linux",
    python="3.12.1",
    torch="2.13.0+cu130",
    torch_build="CUDA 13.0",
    nvidia_card="NVIDIA RTX 4090",
)


def machine(**changes: object) -> Machine:
    return Machine(**{**vars(WORKSTATION), **changes})  # type: ignore[arg-type]


def levels(findings: object) -> dict[str, str]:
    return {finding.code: finding.level for finding in findings}  # type: ignore[attr-defined]


def test_a_good_workstation_has_no_fault() -> None:
    assert levels(check_torch(WORKSTATION)) == {"torch": "ok", "device": "ok"}


@pytest.mark.parametrize("system", ["win32", "linux"])
def test_a_cpu_torch_beside_an_nvidia_card_is_a_fault_with_the_line_that_mends_it(system: str) -> None:
    beside = machine(device="cpu", torch="2.13.0+cpu", torch_build="CPU", system=system)
    fault = next(iter(check_torch(beside)))

    assert (fault.code, fault.level) == ("torch_cpu", "fault")
    assert fault.remedy() == (
        "Run: pip install --force-reinstall torch==2.13.0 --index-url https://download.pytorch.org/whl/cu130"
    )


def test_a_cuda_torch_that_cannot_use_the_card_blames_the_driver() -> None:
    fault = next(iter(check_torch(machine(device="cpu"))))

    assert (fault.code, fault.level) == ("torch_no_device", "fault")
    assert "driver" in fault.remedy()


def test_a_cpu_torch_without_a_card_is_fine() -> None:
    alone = machine(device="cpu", torch="2.13.0+cpu", torch_build="CPU", nvidia_card=None)

    assert levels(check_torch(alone))["torch"] == "ok"


def test_little_memory_is_a_warning() -> None:
    assert levels(check_torch(machine(total_bytes=8_000_000_000)))["device_little_memory"] == "warn"


def test_several_cards_are_told_with_the_flag_that_uses_them() -> None:
    found = {finding.code: finding for finding in check_torch(machine(devices=4))}

    assert "--devices 4" in found["devices"].what()


def test_unknown_memory_is_said() -> None:
    assert "device_unknown_memory" in levels(check_torch(machine(total_bytes=None, free_bytes=None)))


@pytest.mark.parametrize(("version", "level"), [((3, 11), "ok"), ((3, 14), "ok"), ((3, 15), "warn")])
def test_an_untested_python_is_a_warning(version: tuple[int, int], level: str) -> None:
    assert check_python(version).level == level


@pytest.mark.parametrize(
    ("installed", "expected"),
    [
        ({"torch": "2.13.0+cu130", "peft": "0.21.2"}, {"libraries": "ok"}),
        ({"torch": "2.9.1", "peft": "0.21.2"}, {"library": "fault"}),
        ({"torch": "2.13.0"}, {"library": "fault"}),
    ],
)
def test_missing_and_old_libraries_are_faults(installed: Mapping[str, str], expected: Mapping[str, str]) -> None:
    required = ("torch>=2.10", "peft>=0.21", 'pytest>=9; extra == "test"')

    assert levels(check_libraries(required, installed.get)) == expected


def test_a_folder_that_can_be_written_is_fine(tmp_path: Path) -> None:
    assert levels(check_disk(tmp_path))["writable"] == "ok"


def test_looking_leaves_nothing_behind(tmp_path: Path) -> None:
    doctor(home=tmp_path / "not" / "yet")

    assert list(tmp_path.iterdir()) == []


def test_main_memory_is_always_said_once(tmp_path: Path) -> None:
    findings = [finding for finding in doctor(home=tmp_path) if finding.code == "memory"]

    assert [float(str(finding.params["total"])) > 0 for finding in findings] == [True]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_finding_here_has_words_and_every_fault_a_remedy(tmp_path: Path, language: str) -> None:
    def is_complete(finding: Finding) -> bool:
        return bool(finding.what(language)) and (finding.level == "ok" or bool(finding.remedy(language)))

    assert all(is_complete(finding) for finding in doctor(home=tmp_path))

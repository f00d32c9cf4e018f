"""How quickly and how lightly things start, each in a fresh process."""

from __future__ import annotations

import subprocess
import sys

import pytest

_HEAVY = ("torch", "transformers", "diffusers", "numpy", "scipy", "pydantic", "yaml", "rich")


def loaded(code: str) -> set[str]:
    """Return which heavy libraries a piece of code imports."""
    program = f"{code}\nimport sys\nprint(*[n for n in {_HEAVY} if n in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def seconds_of(code: str) -> float:
    """Return the processor time of a cold start, the least of seven: the machine may be busy with other things."""
    program = f"{code}\nimport sys, time\nprint(time.process_time(), file=sys.stderr)"
    runs = [
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True) for _ in range(7)
    ]
    return min(float(done.stderr.split()[-1]) for done in runs)


def test_import_acetune_loads_nothing_heavy() -> None:
    assert loaded("import acetune") == set()


def test_help_loads_nothing_heavy() -> None:
    assert loaded("from acetune.cli.main import main; main(['--help'])") == set()


@pytest.mark.parametrize("command", ["scan", "generate", "runs", "models get"])
def test_help_of_a_command_loads_nothing_heavy_beyond_what_typer_needs(command: str) -> None:
    assert loaded(f"from acetune.cli.main import main; main([*{command.split()}, '--help'])") <= {"pydantic"}


@pytest.mark.parametrize("arguments", [["train", "--help"], ["config", "schema"], ["runs", "ls"], ["cache", "ls"]])
def test_light_commands_do_without_torch(arguments: list[str], tmp_path: object) -> None:
    words = [*arguments, "--home", str(tmp_path)]

    assert "torch" not in loaded(f"from acetune.cli.main import main; main({words})")


def test_help_takes_under_three_tenths_of_a_second() -> None:
    assert seconds_of("from acetune.cli.main import main; main(['--help'])") < 0.3


def test_the_package_runs_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "acetune", "nonsense"], capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert done.stderr.splitlines()[1] == "`acetune --help` shows how it is used."

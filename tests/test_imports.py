"""Who may import whom, and what an import costs."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from acetune import catalog

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "acetune"
TARGETS = {f"{kind} {name}": target for kind, table in catalog._TABLES.items() for name, target in table.items()}
SECONDS = "import time; start = time.perf_counter(); import acetune; print(time.perf_counter() - start)"
TORCHLESS = (
    "cli.main",
    "cli.app",
    "monitor.console",
    "monitor.report",
    "planning.plan",
    "data.scan",
    "annotation.annotate",
)


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def contracts():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["type"]: contract for contract in settings["tool"]["importlinter"]["contracts"]}


def test_importing_acetune_takes_under_three_tenths_of_a_second():
    assert min(float(python(SECONDS)) for _ in range(3)) < 0.3


def test_importing_acetune_brings_neither_torch_nor_a_verb():
    assert python(
        "import sys, acetune; print(*(name for name in sys.modules if name.startswith(('torch', 'acetune'))))"
    ) == ("acetune")


@pytest.mark.parametrize("module", TORCHLESS)
def test_what_reads_folders_and_plans_runs_without_torch(module):
    assert python(f"import sys, acetune.{module}; print('torch' in sys.modules)") == "False"


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_line_of_the_catalogue_names_something_that_is_there(target):
    assert catalog.attribute(target) is not None


def test_every_family_folder_is_in_the_contract_of_independence():
    folders = {f"acetune.families.{path.parent.name}" for path in (PACKAGE / "families").glob("*/__init__.py")}

    assert set(contracts()["independence"]["modules"]) == folders


def test_every_family_folder_is_in_the_catalogue():
    folders = {path.parent.name for path in (PACKAGE / "families").glob("*/__init__.py")}

    assert set(catalog.FAMILIES) == folders


def test_every_import_keeps_the_contracts():
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("import-linter is one of the tools of `pip install '.[dev]'`")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("verb", catalog.VERBS)
def test_no_module_takes_the_place_of_a_verb(verb):
    assert not (PACKAGE / f"{verb}.py").exists()
    assert not (PACKAGE / verb).is_dir()

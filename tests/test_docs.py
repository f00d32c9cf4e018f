"""The documents are true: their commands run, their links lead somewhere, both languages say the same."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer import Context
from typer.exceptions import TyperException
from typer.main import get_command

import acetune
from acetune import compute, errors, recipe
from acetune.cli.app import COMMANDS, GROUPS, build
from acetune.cli.main import KNOB_COMMANDS, command_of, main
from acetune.cli.options import PRESET, Everywhere, take_everywhere, take_knobs
from acetune.families.acestep_v15.variants import CARD
from acetune.planning import presets
from acetune.planning.needs import memory_of
from world import make_home, tone

ROOT = Path(__file__).resolve().parents[1]
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for pattern in ("*.md", "docs/**/*.md", "benchmarks/*.md")
    for path in sorted(ROOT.glob(pattern))
}
README = PAGES["README.md"]
TRANSLATIONS = [("README.md", "README.zh.md"), ("docs/guide.md", "docs/guide.zh.md")]
BENCHMARKS = sorted(path.name for path in (ROOT / "benchmarks").glob("*.py") if "__main__" in path.read_text("utf-8"))

#: What makes the README's job a matter of seconds, and possible without a download.
SMALL = {"turbo": "tiny", "1000": "3"}
SHORT = {"generate": ["--seconds", "2"]}


def blocks(page: str) -> list[tuple[str, str]]:
    """Return language and text of every code block."""
    return re.findall(r"^```(\w+)\n(.*?)^```", PAGES[page], re.MULTILINE | re.DOTALL)


def prose(page: str) -> str:
    """Return a page without its code."""
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", PAGES[page], flags=re.MULTILINE | re.DOTALL)


def commands(page: str) -> Iterator[tuple[str, ...]]:
    """Yield the words of every command of the shell blocks, without comments, variables and redirections."""
    for language, text in blocks(page):
        for line in text.splitlines() if language == "sh" else ():
            for command in line.split("&&"):
                words = shlex.split(command, comments=True)
                words = words[: words.index(">")] if ">" in words else words
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                yield tuple(words)


def ours(page: str) -> list[tuple[str, ...]]:
    """Return the acetune commands of a page, without their first word."""
    return [words[1:] for words in commands(page) if words[:1] == ("acetune",)]


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def table(page: str, first: str) -> list[list[str]]:
    """Return the rows of a page's tables whose first cell matches."""
    rows = [line.strip("| ").split(" | ") for line in PAGES[page].splitlines() if line.startswith("| ")]
    return [row for row in rows if re.fullmatch(first, row[0])]


def joined(words: tuple[str, ...]) -> str:
    return " ".join(words) or "-"


# -- the README's commands ---------------------------------------------------------------------------------------------

RUNNABLE = [words for words in ours("README.md") if words != ("quickstart",)]


@pytest.fixture(scope="module")
def clean() -> Iterator[pytest.MonkeyPatch]:
    """Keep the machine's own settings out for as long as this module runs."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("ACETUNE_HOME", "ACETUNE_LANG", "ACETUNE_COMFYUI"):
            patch.delenv(name, raising=False)
        yield patch


@pytest.fixture(scope="module")
def job(
    clean: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, models: Path, cache: Path
) -> tuple[Path, dict[tuple[str, ...], int]]:
    """Do what the README says, in its order, on three short songs; return the folder and the exit codes."""
    folder = tmp_path_factory.mktemp("readme")
    make_home(folder / "acetune", models, cache)
    for number in range(3):
        tone(folder / "my_songs" / f"song{number}.flac", 3.0, seed=40 + number)
        (folder / "my_songs" / f"song{number}.caption.txt").write_text("slow synth pads, warm")
    clean.chdir(folder)
    clean.setenv("ACETUNE_SCHEDULE_STEPS", "3")
    codes = {}
    for words in RUNNABLE:
        small = [SMALL.get(word, word) for word in words]
        codes[words] = main([*small, *SHORT.get(words[0], [])])
    return folder, codes


@pytest.mark.parametrize("words", RUNNABLE, ids=joined)
def test_a_command_of_the_readme_runs(words: tuple[str, ...], job: tuple[Path, dict[tuple[str, ...], int]]) -> None:
    assert job[1][words] == 0


@pytest.mark.parametrize(
    "file",
    ["adapter/mystyle_final.safetensors", "adapter/mystyle_final/adapter_model.safetensors", "report.html"],
)
def test_the_files_that_the_readme_names_are_there(file: str, job: tuple[Path, object]) -> None:
    assert (job[0] / "acetune" / "runs" / "mystyle" / file).is_file()


def test_the_python_of_the_readme_runs(job: tuple[Path, object], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(job[0])
    code = dict(blocks("README.md"))["python"].replace('"rank": 16', '"rank": 16, "steps": 3')
    names: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), names)

    assert names["result"].steps == 3
    assert names["result"].adapter.is_file()


@pytest.mark.slow
def test_the_first_command_of_the_readme_runs(
    clean: pytest.MonkeyPatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    clean.delenv("ACETUNE_SCHEDULE_STEPS", raising=False)
    code = main(["quickstart"])

    assert code == 0
    assert "report.html" in capsys.readouterr().out.splitlines()[-1]


def test_the_readme_runs_more_than_a_few_commands() -> None:
    assert len(RUNNABLE) >= 9


def test_what_the_install_commands_name_exists() -> None:
    installs = [words for words in commands("README.md") if words[:2] == ("pip", "install")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]

    assert [words[:4] for words in installs] == [("pip", "install", "-c", "constraints.txt")] * 2
    assert (ROOT / "constraints.txt").is_file()
    assert "dev" in extras


def test_the_readme_names_every_command() -> None:
    named = set(re.findall(r"[\w-]+", " ".join(re.findall(r"`([^`\n]+)`", README)))) | {w[0] for w in ours("README.md")}

    assert {*COMMANDS, *GROUPS} <= named


@pytest.mark.parametrize("group", GROUPS)
def test_the_readme_lists_every_command_of_a_group(group: str) -> None:
    (row,) = table("README.md", rf"`{group} .*`")

    assert set(re.findall(r"(?<![\w-])[a-z][\w-]*", row[0])) == {group, *GROUPS[group][1]}


# -- all documents -----------------------------------------------------------------------------------------------------


def parse(words: list[str]) -> None:
    """Read a command line as the console script does, without running it."""
    _, rest = take_everywhere(words, Everywhere())
    command = command_of(rest)
    if command in KNOB_COMMANDS:
        knobs, rest = take_knobs(rest, command)
        named = presets.layers(knobs.pop(PRESET, ()))
        recipe.resolve([*named, ("document", knobs)])
    found, context = get_command(build()), None
    while hasattr(found, "resolve_command"):
        context = Context(found, parent=context, info_name=found.name)
        _, found, rest = found.resolve_command(context, rest)
    found.make_context(found.name, rest, parent=context)


@pytest.mark.parametrize(
    ("page", "words"),
    [(page, words) for page in PAGES for words in ours(page)],
    ids=lambda value: value if isinstance(value, str) else joined(value),
)
def test_a_command_of_a_document_is_one_that_acetune_understands(page: str, words: tuple[str, ...]) -> None:
    parse(list(words))


@pytest.mark.parametrize("line", ["generate mystyle", "train songs --rnak 3", "train songs --rank 0", "runs lst"])
def test_a_wrong_command_in_a_document_would_be_noticed(line: str) -> None:
    with pytest.raises((errors.SettingError, TyperException)):
        parse(line.split())


@pytest.mark.parametrize(
    ("page", "link"),
    [(page, link) for page in PAGES for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in link],
)
def test_a_link_leads_somewhere(page: str, link: str) -> None:
    name, _, anchor = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page

    assert target.exists()
    if anchor:
        headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        assert anchor in map(slug, headings)


@pytest.mark.parametrize("page", PAGES)
def test_a_document_names_no_place_on_one_machine(page: str) -> None:
    assert not re.search(r"(?<![\w.:/])/(work|home|root|tmp|mnt|Users)/|[A-Z]:\\", PAGES[page])


@pytest.mark.parametrize("pair", TRANSLATIONS, ids=lambda pair: pair[1])
def test_a_translation_has_the_same_commands(pair: tuple[str, str]) -> None:
    first, second = ([*commands(page), *(b for b in blocks(page) if b[0] != "sh")] for page in pair)

    assert first == second


@pytest.mark.parametrize("pair", TRANSLATIONS, ids=lambda pair: pair[1])
def test_a_translation_has_the_same_structure(pair: tuple[str, str]) -> None:
    first, second = (re.findall(r"^(#+ |\||- |\d+\. |```)", PAGES[page], re.MULTILINE) for page in pair)

    assert first == second


@pytest.mark.parametrize("pair", TRANSLATIONS, ids=lambda pair: pair[1])
def test_a_translation_has_the_same_links(pair: tuple[str, str]) -> None:
    first, second = (
        sorted(link.replace(".zh.md", ".md") for link in re.findall(r"\]\(([^)]+)\)", PAGES[page])) for page in pair
    )

    assert first == second


# -- single documents --------------------------------------------------------------------------------------------------


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## \[(.+?)\] - (unreleased|\d{4}-\d\d-\d\d)$", PAGES["CHANGELOG.md"], re.MULTILINE)

    assert newest is not None
    assert newest[1] == acetune.__version__ == project["version"]


def test_the_log_has_dated_entries_the_newest_first() -> None:
    dates = re.findall(r"^## (.{10}) - \S", PAGES["docs/log.md"], re.MULTILINE)

    assert len(dates) == len(re.findall(r"^## ", PAGES["docs/log.md"], re.MULTILINE)) > 0
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", date) for date in dates)
    assert dates == sorted(dates, reverse=True)


def test_an_entry_of_the_log_says_where_it_was_measured() -> None:
    entries = re.split(r"^## ", PAGES["docs/log.md"], flags=re.MULTILINE)[1:]

    assert [entry.splitlines()[0] for entry in entries if "Machine: " not in entry] == []


@pytest.mark.parametrize("page", ["docs/guide.md", "docs/guide.zh.md"])
def test_the_guide_lists_every_exit_code(page: str) -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]

    assert {int(row[0]) for row in table(page, r"\d+")} == {0, *(kind.exit_code for kind in kinds)}


@pytest.mark.parametrize("page", ["docs/guide.md", "docs/guide.zh.md"])
@pytest.mark.parametrize("seconds", [30, 60, 120, 240])
def test_the_guide_gives_the_memory_that_the_planner_reckons_with(page: str, seconds: int) -> None:
    size = CARD.variant("turbo").size
    on_card = replace(compute.machine("cpu"), device="cuda:0")
    recipes = [
        recipe.resolve([("test", {"model.variant": "turbo", "adapter.rank": rank, "compute.recompute": recompute})])
        for rank in (64, 16)
        for recompute in (False, True)
    ]
    frames = round(seconds * size.frames_per_second)
    expected = [memory_of(made.recipe, size, (frames,), on_card) for made in recipes]
    (row,) = table(page, rf"{seconds} s.*")

    assert row[1:] == [f"{value / 1e9:.1f}" for value in expected]


def test_every_benchmark_is_explained() -> None:
    assert sorted(re.findall(r"benchmarks/(\w+\.py)", PAGES["benchmarks/README.md"])) == BENCHMARKS


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "number", "column", "limit"),
    [("step.py", 1, 2, 1e-4), ("step.py", 1, 3, 1e-4), ("encode.py", 0, -1, 1e-5)],
)
def test_a_benchmark_runs_and_compares_equals(
    name: str, number: int, column: int, limit: float, tmp_path: Path
) -> None:
    file = tmp_path / "found.json"
    subprocess.run(
        [sys.executable, ROOT / "benchmarks" / name, "--rounds", "1", "--json", file], check=True, capture_output=True
    )
    rows = json.loads(file.read_text(encoding="utf-8"))["tables"][number]["rows"]

    assert all(row[column] < limit for row in rows)

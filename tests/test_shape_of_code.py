"""The house rules that no linter holds: sizes, names, and which file may touch what.

A failing test prints the offenders as ``file:name (measure > limit)``. A limit that must give is listed in `GIVEN`
with its reason; an entry that is no longer needed fails too, so that the list only shrinks.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "acetune"
FILES = {path.relative_to(PACKAGE).as_posix(): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
NODES = [(name, node) for name, text in FILES.items() for node in ast.walk(ast.parse(text))]

#: Offender and reason.
GIVEN: dict[str, str] = {}

FORBIDDEN_NAMES = {
    "base",
    "common",
    "core",
    "handler",
    "helper",
    "helpers",
    "manager",
    "misc",
    "service",
    "util",
    "utils",
}
BROAD = ("cli/main.py", "jobs.py", "studio/app.py")
CUDA = ("compute.py",)
ENVIRONMENT = ("compute.py", "cli/main.py")
PICKLES = ("families/pickles.py",)
#: What torch pickles and unpickles what it is given in.
OBJECT_COLLECTIVES = {
    "all_gather_object",
    "broadcast_object_list",
    "gather_object",
    "recv_object_list",
    "scatter_object_list",
    "send_object_list",
}
DRAWS = {"bernoulli", "multinomial", "normal", "poisson", "rand", "randint", "randn", "randperm"}
DRAWS_IN_PLACE = {
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
_BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def files_are_short() -> Iterator[str]:
    for name, text in FILES.items():
        limit = 600 if name.endswith("network.py") else 300
        yield from over(name, len(text.splitlines()), limit)


def functions_are_short() -> Iterator[str]:
    for name, function in functions():
        yield from over(f"{name}:{function.name}", length(function), 80)


def nesting_is_shallow() -> Iterator[str]:
    for name, function in functions():
        yield from over(f"{name}:{function.name}", depth(function.body), 4)


def arguments_are_few() -> Iterator[str]:
    for name, function in functions():
        taken = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        count = sum(argument.arg not in ("self", "cls") for argument in taken)
        yield from over(f"{name}:{function.name}", count, 6)


def classes_are_small() -> Iterator[str]:
    for name, node in nodes(ast.ClassDef):
        methods = [m for m in node.body if isinstance(m, Function) and not m.decorator_list]
        yield from over(f"{name}:{node.name}", length(node), 150)
        yield from over(f"{name}:{node.name}", sum(not m.name.startswith("_") for m in methods), 12)


def files_say_what_is_in_them() -> Iterator[str]:
    for name in FILES:
        yield from (name for word in Path(name).stem.split("_") if word in FORBIDDEN_NAMES)


def there_are_no_mixins() -> Iterator[str]:
    for name, node in nodes(ast.ClassDef):
        yield from (f"{name}:{node.name}" for word in ("Mixin", "Manager", "Helper") if node.name.endswith(word))


def there_is_no_global_state() -> Iterator[str]:
    for name, node in nodes(ast.Global):
        yield f"{name}:{node.lineno}"


def errors_are_caught_by_name() -> Iterator[str]:
    for name, node in nodes(ast.ExceptHandler):
        caught = {"BaseException"} if node.type is None else {dotted(part) for part in ast.walk(node.type)}
        if caught & {"Exception", "BaseException"} and name not in BROAD:
            yield f"{name}:{node.lineno}"


def one_file_names_the_accelerator() -> Iterator[str]:
    for name, node in nodes(ast.Constant):
        if isinstance(node.value, str) and (node.value == "cuda" or node.value.startswith("cuda:")):
            yield from place(name, node, CUDA)
    for name, node in nodes(ast.Attribute):
        if node.attr == "cuda":
            yield from place(name, node, CUDA)


def two_files_read_the_environment() -> Iterator[str]:
    for name, node in nodes(ast.Attribute, ast.Name):
        if dotted(node) in ("os.environ", "os.getenv", "environ", "getenv"):
            yield from place(name, node, ENVIRONMENT)


def draws_have_a_generator() -> Iterator[str]:
    for name, node in nodes(ast.Call):
        called = dotted(node.func)
        library, _, function = called.rpartition(".")
        drawn = (library == "torch" and function in DRAWS) or function in DRAWS_IN_PLACE
        if drawn and not any(keyword.arg == "generator" for keyword in node.keywords):
            yield f"{name}:{node.lineno}"
        if library in ("np.random", "numpy.random") and not (function == "default_rng" and node.args):
            yield f"{name}:{node.lineno}"


def nobody_imports_the_hidden_generators() -> Iterator[str]:
    for name, node in nodes(ast.Import, ast.ImportFrom):
        modules = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
        if {"random", "numpy.random"} & set(modules):
            yield f"{name}:{node.lineno}"


def one_file_reads_pickles() -> Iterator[str]:
    for name, node in nodes(ast.Call):
        if dotted(node.func) in ("torch.load", "pickle.load", "pickle.loads"):
            yield from place(name, node, PICKLES)
    for name, node in nodes(ast.Import):
        if any(alias.name in ("pickle", "copyreg", "dill", "cloudpickle") for alias in node.names):
            yield from place(name, node, PICKLES)


def processes_send_no_objects() -> Iterator[str]:
    for name, node in nodes(ast.Attribute, ast.Name):
        if dotted(node).rpartition(".")[2] in OBJECT_COLLECTIVES:
            yield f"{name}:{node.lineno}"


def only_the_command_line_prints() -> Iterator[str]:
    for name, node in nodes(ast.Call):
        to_a_stream = any(keyword.arg == "file" for keyword in node.keywords)
        if dotted(node.func) == "print" and not to_a_stream and not name.startswith("cli/"):
            yield f"{name}:{node.lineno}"


def signatures_name_their_types() -> Iterator[str]:
    for name, function in functions():
        if not function.name.startswith("_"):
            hints = [node.annotation for node in ast.walk(function.args) if isinstance(node, ast.arg)]
            texts = [ast.unparse(hint) for hint in (*hints, function.returns) if hint is not None]
            yield from (f"{name}:{function.name}" for text in texts if "dict[str, Any]" in text)


RULES = (
    files_are_short, functions_are_short, nesting_is_shallow, arguments_are_few, classes_are_small,
    files_say_what_is_in_them, there_are_no_mixins, there_is_no_global_state, errors_are_caught_by_name,
    one_file_names_the_accelerator, two_files_read_the_environment, draws_have_a_generator,
    nobody_imports_the_hidden_generators, one_file_reads_pickles, processes_send_no_objects,
    only_the_command_line_prints, signatures_name_their_types,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Callable[[], Iterator[str]]) -> None:
    offenders = [offender for offender in rule() if offender.partition(" ")[0] not in GIVEN]

    assert not offenders


def test_what_was_given_is_still_needed() -> None:
    needed = {offender.partition(" ")[0] for rule in RULES for offender in rule()}

    assert set(GIVEN) <= needed


def test_functions_are_near_twelve_lines() -> None:
    lengths = sorted(length(function) for _, function in functions())

    assert lengths[len(lengths) // 2] <= 12


def nodes(*kinds: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """Yield every node of these kinds with its file."""
    yield from ((name, node) for name, node in NODES if isinstance(node, kinds))


def functions() -> Iterator[tuple[str, Function]]:
    """Yield every function with its file."""
    yield from nodes(ast.FunctionDef, ast.AsyncFunctionDef)


def over(what: str, measure: int, limit: int) -> Iterator[str]:
    """Yield an offender if it is above its limit."""
    if measure > limit:
        yield f"{what} ({measure} > {limit})"


def place(name: str, node: ast.AST, allowed: tuple[str, ...]) -> Iterator[str]:
    """Yield where a node stands if it may not stand there."""
    if name not in allowed:
        yield f"{name}:{node.lineno}"


def length(node: Function | ast.ClassDef) -> int:
    """Return the lines of a definition without its docstring."""
    has_text = ast.get_docstring(node) is not None
    docstring = node.body[0].end_lineno - node.body[0].lineno + 1 if has_text else 0
    return node.end_lineno - node.lineno + 1 - docstring


def depth(body: list[ast.stmt]) -> int:
    """Return how deep blocks stand in blocks; ``elif`` counts as its ``if``."""
    return max((1 + depth_inside(node) if isinstance(node, _BLOCKS) else 0 for node in body), default=0)


def depth_inside(node: ast.stmt) -> int:
    """Return the depth of what a block holds."""
    orelse = getattr(node, "orelse", [])
    if isinstance(node, ast.If) and len(orelse) == 1 and isinstance(orelse[0], ast.If):
        return max(depth(node.body), depth_inside(orelse[0]))
    branches = [*getattr(node, "handlers", []), *getattr(node, "cases", [])]
    bodies = [getattr(node, "body", []), orelse, getattr(node, "finalbody", []), *(part.body for part in branches)]
    return max(depth(body) for body in bodies)


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` of a name or an attribute; empty for anything else."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""

"""Commands about recipes and the lists that people may edit: show, validate, presets, schema, labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from acetune.cli.arguments import Config, Dataset
from acetune.cli.session import pretty, session_of
from acetune.cli.tables import align


def show(
    context: typer.Context,
    dataset: Dataset = None,
    config: Config = None,
    origin: Annotated[bool, typer.Option("--origin", help="Show where each value came from.")] = False,
) -> None:
    """Print the recipe that train would use with these flags.

    The output is a commented recipe file to start from.
    """
    from acetune import recipe
    from acetune.knobs import flatten

    session = session_of(context)
    found = session.resolve(config=config, dataset=dataset)
    values = found.recipe.model_dump(mode="json")
    origins = {name: found.origins.get(name, session.words("default")) for name in flatten(values) if "." in name}
    if origin:
        rows = [[name, pretty(value), origins[name]] for name, value in flatten(values).items() if name in origins]
        heads = [session.words(f"column_{name}") for name in ("knob", "value", "origin")]
        lines = align(heads, rows)
    else:
        lines = [recipe.dump(found.recipe).rstrip()]
    session.finish({"recipe": values, "origins": origins}, *lines)


def validate(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="RECIPE", help="Recipe file (YAML).", show_default=False)],
) -> None:
    """Check a recipe file: every knob known, every value possible."""
    session = session_of(context)
    session.resolve(config=file)
    session.finish({"valid": True}, session.words("valid", path=file))


def presets(context: typer.Context) -> None:
    """List the presets: what each is for, and every knob that it changes.

    Use one with `--preset NAME` of train, plan and the other commands with knobs; `acetune plan SONGS --preset NAME`
    says what the planner thinks of it.
    """
    from acetune.knobs import flatten
    from acetune.planning import presets as known

    session = session_of(context)
    found = [known.preset(name) for name in known.names()]
    changes = {one.name: flatten(one.knobs) for one in found}
    lines = []
    for one in found:
        lines.append(f"{one.name}: {one.about.get(session.options.language, one.about['en'])}")
        lines += [f"  {knob}: {pretty(value)}" for knob, value in changes[one.name].items()]
    session.finish({"presets": [{**vars(one), "knobs": changes[one.name]} for one in found]}, *lines)


def schema(context: typer.Context) -> None:
    """List every knob with default, range, unit and meaning.

    With --json as a JSON schema.
    """
    from acetune import recipe
    from acetune.cli.help import knob_lines

    session = session_of(context)
    session.finish({"schema": recipe.Recipe.model_json_schema(), "families": _families()}, *knob_lines())


def labels(context: typer.Context) -> None:
    """Write the tagger's lists and the template of its prompt to where you may edit them.

    Files that are there stay. Delete one to go back to the built-in list.
    """
    from acetune.annotation.annotate import write_lists

    session = session_of(context)
    paths = [str(path) for path in write_lists(session.home)]
    session.finish({"files": paths}, session.words("lists"), *(f"  {path}" for path in paths))


def _families() -> dict[str, object]:
    """Return the schema of each family's own section."""
    from acetune.catalog import names, resolve

    return {name: resolve("family", name).recipe_section().model_json_schema() for name in names("family")}


COMMANDS: Mapping[str, Callable[..., None]] = {
    "show": show,
    "validate": validate,
    "presets": presets,
    "schema": schema,
    "labels": labels,
}

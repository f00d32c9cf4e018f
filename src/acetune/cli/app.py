"""The commands, gathered into one typer application. Nothing heavy is imported before a command runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import typer

from acetune.cli import (
    adapting,
    annotating,
    cache,
    checking,
    config,
    data,
    diagnose,
    editing,
    generating,
    importing,
    migrating,
    models,
    publishing,
    results,
    runs,
    sharing,
    tensors,
    training,
)

#: Commands in the order of a first job.
COMMANDS: Mapping[str, Callable[..., None]] = {
    "quickstart": training.quickstart,
    "scan": data.scan,
    "annotate": annotating.annotate,
    "encode": data.encode,
    "plan": training.plan,
    "train": training.train,
    "resume": training.resume,
    "sweep": training.sweep,
    "generate": generating.generate,
    "export": results.export,
    "evaluate": results.evaluate,
    "report": results.report,
    "compare": results.compare,
    "tensorboard": runs.tensorboard,
    "doctor": diagnose.doctor,
    "selftest": diagnose.selftest,
    **migrating.COMMANDS,
}

#: Groups of commands: what they are about, and the commands.
GROUPS: Mapping[str, tuple[str, Mapping[str, Callable[..., None]]]] = {
    "data": (
        "Import, check, edit and share data sets.",
        {**importing.COMMANDS, **checking.COMMANDS, **editing.COMMANDS, **sharing.COMMANDS, **tensors.COMMANDS},
    ),
    "adapter": (
        "Look at adapter files of any trainer, compare and convert them, make new ones of them.",
        adapting.COMMANDS,
    ),
    "runs": ("List, show, follow, stop and repeat trainings.", runs.COMMANDS),
    "models": ("Find, fetch and check model weights.", models.COMMANDS),
    "cache": ("Look at encoded songs and delete them; deleting is always safe.", cache.COMMANDS),
    "hub": ("Publish adapters on the Hugging Face hub, redacted.", publishing.COMMANDS),
    "config": ("Show, check and describe recipes; edit the lists of labels.", config.COMMANDS),
}

_ABOUT = "Fine-tune ACE-Step music models from a folder of songs, and prove that it learned."


def build() -> typer.Typer:
    """Return the application."""
    app = _application(_ABOUT)
    for name, command in COMMANDS.items():
        app.command(name)(command)
    for group, (about, commands) in GROUPS.items():
        inner = _application(about)
        for name, command in commands.items():
            inner.command(name)(command)
        app.add_typer(inner, name=group)
    return app


def _application(about: str) -> typer.Typer:
    """Return an empty application with plain help: rich costs a tenth of a second at each start."""
    return typer.Typer(
        help=about, rich_markup_mode=None, pretty_exceptions_enable=False, no_args_is_help=True, add_completion=False
    )

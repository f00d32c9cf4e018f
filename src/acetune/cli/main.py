"""The console script: options of every command, exit codes, and the one place where every failure ends.

Environment variables are read here and in `acetune.compute` only.
"""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

from acetune import __version__
from acetune.cli.options import Everywhere, nearest_flag, take_everywhere, take_knobs
from acetune.cli.session import Session, discard_output, emit, make_console, stop_on_signals
from acetune.errors import AcetuneError, OutOfMemory, SettingError, Stopped
from acetune.events import StageEnded
from acetune.monitor.words import Words

#: Commands that take a flag for each knob.
KNOB_COMMANDS = (
    "train", "plan", "encode", "resume", "sweep", "quickstart", "runs replay", "config show", "config validate",
)  # fmt: skip
#: Commands that several launched processes do together, and those that they may not.
_SHARED_COMMANDS, _LONELY_COMMANDS = ("train", "resume"), ("quickstart", "sweep", "runs replay")
_GROUPS = ("data", "adapter", "runs", "cache", "models", "hub", "config")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Args:
        argv: Arguments without the program's name; those of the process where None.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    options = Everywhere(language="zh" if os.environ.get("ACETUNE_LANG") == "zh" else "en")
    command = ""
    _write_unicode()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded: see docs/log.md on busy cores
    if arguments == ["--version"]:
        print(f"acetune {__version__}")
        return 0
    try:
        options, arguments = take_everywhere(arguments, options)
        command = command_of(arguments)
        return _run(command, arguments, options)
    except BrokenPipeError:
        discard_output()
        return 0
    except Exception as error:  # noqa: BLE001 - the one place where every failure becomes a sentence
        return _fail(error, command, options)


def command_of(arguments: Sequence[str]) -> str:
    """Return the words of a command line that name its command; empty where none does."""
    words = [word for word in arguments if not word.startswith("-")]
    return " ".join(words[: 2 if words and words[0] in _GROUPS else 1])


def explain(error: Exception, command: str) -> AcetuneError:
    """Return any failure as one of ours.

    Args:
        error: What was raised.
        command: The words of the command that raised it.
    """
    from typer import Abort
    from typer.exceptions import TyperException

    if isinstance(error, AcetuneError):
        return error
    if isinstance(error, TyperException):
        return _usage(error, command)
    if isinstance(error, Abort):
        return Stopped("job.stopped", stage=command)
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _is_out_of_memory(error)):
        return OutOfMemory("cli.out_of_memory")
    text = " ".join(str(error).split())[:300]
    return AcetuneError("cli.internal", kind=type(error).__name__, text=text, command=command)


def _run(command: str, arguments: list[str], options: Everywhere) -> int:
    """Run a command inside its session."""
    from typer.main import get_command

    from acetune.cli.app import build
    from acetune.cli.help import trailer
    from acetune.compute import place

    asked_help = not arguments or "--help" in arguments
    if place().size > 1 and not asked_help:
        if command in _LONELY_COMMANDS:
            raise SettingError("cli.alone", command=command, count=place().size)
        if command in _SHARED_COMMANDS and place().rank:
            return _follow(options)
    if command in KNOB_COMMANDS and not asked_help:
        knobs, arguments = take_knobs(arguments, command)
    else:
        knobs = {}
    console = make_console(options, os.environ)
    with stop_on_signals(Words("cli", options.language)) as stop, warnings.catch_warnings():
        if not options.debug:
            warnings.simplefilter("ignore")
        session = Session(command, options, knobs, os.environ, console, stop)
        try:
            code = get_command(build()).main(
                arguments or ["--help"], prog_name="acetune", standalone_mode=False, obj=session
            )
        finally:
            console.close()
    if asked_help:
        print(trailer(command, command in KNOB_COMMANDS))
    return code if isinstance(code, int) else 0


def _follow(options: Everywhere) -> int:
    """Help the process that leads, which alone reads the command line and says what comes of it."""
    from acetune.events import Job
    from acetune.training.helping import follow

    with stop_on_signals(Words("cli", options.language)) as stop, warnings.catch_warnings():
        if not options.debug:
            warnings.simplefilter("ignore")
        follow(Job(stop_requested=stop))
    return 0


def _fail(error: Exception, command: str, options: Everywhere) -> int:
    """Say what happened and what to do, and return the exit code."""
    if options.debug:
        traceback.print_exception(error)
    failure = explain(error, command)
    message, remedy = failure.message(options.language), failure.remedy(options.language)
    if options.json:
        outcome = "stopped" if isinstance(failure, Stopped) else "failed"
        result: Mapping[str, Any] = {
            "code": failure.code,
            "message": message,
            "remedy": remedy,
            "exit_code": failure.exit_code,
        }
        emit(StageEnded(stage=f"acetune {command}", outcome=outcome, result=dict(result)))
    print(f"{message}\n{remedy}", file=sys.stderr)
    return failure.exit_code


def _usage(error: Any, command: str) -> SettingError:
    """Return what typer refused, with the nearest flag for an unknown one."""
    from acetune.cli.app import COMMANDS, GROUPS

    flag = getattr(error, "option_name", None)
    if flag is None:
        known = bool(command) and command.split()[0] in (*COMMANDS, *GROUPS)
        problem = error.format_message().rstrip(".?")
        return SettingError("cli.usage", problem=problem, program=f"acetune {command}" if known else "acetune")
    context = error.ctx
    own = [name for parameter in context.command.params for name in parameter.opts] if context else []
    if command in KNOB_COMMANDS:
        hint = nearest_flag(flag, own)
    else:
        from acetune.catalog import nearest

        hint = nearest(flag, tuple(own))
    return SettingError("cli.unknown_flag", flag=flag, hint=hint, command=command)


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory; without torch nobody did."""
    if "torch" not in sys.modules:
        return False
    from acetune.compute import is_out_of_memory

    return is_out_of_memory(error)


def _write_unicode() -> None:
    """Let old Windows code pages print every name: as UTF-8 on standard output, with '?' on standard error."""
    for stream, settings in ((sys.stdout, {"encoding": "utf-8"}), (sys.stderr, {"errors": "replace"})):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(**settings)

"""The command that says in acetune what a command line of ACE-Step v1's scripts means."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Annotated, Final, cast

import typer

from acetune.cli.old_flags import BUILT_IN, NOT_NEEDED, PUBLISHED_CONFIGS, SCRIPTS, VALUES, Script
from acetune.cli.session import session_of
from acetune.errors import SettingError

#: A word, or what stands in quotes; backslashes belong to paths of Windows.
_WORD: Final = re.compile(r'"([^"]*)"|\'([^\']*)\'|(\S+)')
#: Lines that go on, in a shell and in the prompt of Windows.
_GOES_ON: Final = re.compile(r"[\\^]\s*\n")
_CONFIG: Final = "lora_config_path"


@dataclass(frozen=True)
class Migrated:
    """A command line of others in our words.

    Attributes:
        command: Ours.
        not_needed: Their flags that acetune needs nobody to say.
        no_like: Their flags that nothing of ours is like.
        unknown: Flags that their script does not have.
        unread: The configuration of an adapter that could not be read; None where all is said.
        songs: The saved rows that a folder of songs takes the place of; None where there are none.
    """

    command: str
    not_needed: tuple[str, ...]
    no_like: tuple[str, ...]
    unknown: tuple[str, ...]
    unread: str | None
    songs: str | None


def migrated(line: str) -> Migrated:
    """Return what a command line of one of `SCRIPTS` is in acetune.

    Raises:
        SettingError: If it names none of these scripts.
        CorruptFile: If the configuration that it names is damaged.
    """
    words = ["".join(groups) for groups in _WORD.findall(_GOES_ON.sub(" ", line))]
    place = next((n for n, word in enumerate(words) if PureWindowsPath(word).name in SCRIPTS), None)
    if place is None:
        raise SettingError("cli.no_old_script", known=", ".join(SCRIPTS))
    script = SCRIPTS[PureWindowsPath(words[place]).name]
    said = _said(words[place + 1 :])
    meant = {**_usual(script, said), **said}
    longer = _longer(said, meant)
    meant = {name: value for name, value in meant.items() if name != longer}
    config = meant.get(_CONFIG)
    known = None if config is None else _config(config)
    adapter = () if known is None else _of_training(known) if script.trains else _of_scale(known)
    parts = ["acetune", *script.command.split(), *_translated(script, meant), *script.always, *adapter]
    known_flags = {
        name: NOT_NEEDED if value in BUILT_IN.get(name, ()) else script.flags[name]
        for name, value in said.items()
        if name in script.flags
    }
    return Migrated(
        " ".join(map(_quoted, parts)),
        tuple(f"--{name}" for name, ours in known_flags.items() if ours == NOT_NEEDED),
        tuple(f"--{name}" for name, ours in known_flags.items() if ours is None or name == longer),
        tuple(f"--{name}" for name in said if name not in script.flags and name != _CONFIG),
        config if config is not None and known is None else None,
        said.get(next((name for name, ours in script.flags.items() if ours == "DATASET"), "")),
    )


def _said(words: Sequence[str]) -> dict[str, str]:
    """Return the flags of a command line and their values; a flag alone has an empty one."""
    said: dict[str, str] = {}
    last = None
    for word in words:
        if word.startswith("--"):
            last, _, value = word[2:].partition("=")
            said[last] = value
        elif last is not None:
            said[last] = word
    return said


def _usual(script: Script, said: Mapping[str, str]) -> dict[str, str]:
    """Return the values that a script takes where nobody says one, in any of its spellings."""
    taken = {script.flags.get(name) for name in said}
    return {name: value for name, value in script.usual.items() if script.flags.get(name, name) not in taken}


def _longer(said: Mapping[str, str], meant: Mapping[str, str]) -> str | None:
    """Return which of steps and epochs is left out where both have a value: ours takes one, what nobody said goes."""
    if meant.get("epochs", "-1") == "-1" or "max_steps" not in meant:
        return None
    return "epochs" if "max_steps" in said else "max_steps"


def _translated(script: Script, meant: Mapping[str, str]) -> Iterator[str]:
    """Yield our words, arguments first; what was left open in theirs (-1, None) is left out."""
    pairs = [(ours, meant[name]) for name, ours in script.flags.items() if ours and name in meant]
    for ours, value in sorted(pairs, key=lambda pair: pair[0].startswith("-")):
        if value in ("-1", "None"):
            continue
        if not ours.startswith("-"):
            yield value
        elif not value:
            yield from ours.split()
        else:
            yield from (ours, _valued(ours, value))


def _valued(flag: str, value: str) -> str:
    """Return a value as our flag takes it; where a file was named, ours takes its folder."""
    if flag == "--out":
        return str(PureWindowsPath(value).parent) if "\\" in value else str(Path(value).parent)
    return VALUES.get(flag, {}).get(value, value)


def _config(name: str) -> Mapping[str, object] | None:
    """Return the configuration of an adapter: the file, or the one that is published under this name; None for none.

    Raises:
        CorruptFile: If the file is damaged.
    """
    if Path(name).is_file():
        from acetune import files

        return cast("Mapping[str, object]", files.read_json(Path(name)))
    return PUBLISHED_CONFIGS.get(PureWindowsPath(name).name)


def _of_training(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the flags that make the adapter of a configuration; PEFT's own values where it says none."""
    layers, dropout = config.get("target_modules"), config.get("lora_dropout")
    targets = ",".join(layers) if isinstance(layers, list) else f"re:{layers}" if layers else ""
    return (
        *("--rank", str(config.get("r", 8)), "--alpha", str(config.get("lora_alpha", 8))),
        *(("--adapter.rslora",) if config.get("use_rslora") else ()),
        *(("--adapter.targets", targets) if targets else ()),
        *(("--adapter.dropout", str(dropout)) if dropout else ()),
    )


def _of_scale(config: Mapping[str, object]) -> tuple[str, ...]:
    """Return the alpha that gives a raw file the scale of its training: our rule divides it by the rank."""
    rank, alpha = cast("int", config.get("r", 8)), cast("float", config.get("lora_alpha", 8))
    return ("--alpha", f"{alpha * math.sqrt(rank) if config.get('use_rslora') else alpha:.10g}")


def _quoted(word: str) -> str:
    """Return a word as shells take it."""
    return f'"{word}"' if re.search(r"[\s\\*?()|&;<>]", word) else word


def migrate_command(
    context: typer.Context,
    line: Annotated[
        str, typer.Argument(metavar="COMMAND", help="The whole command line, in quotes.", show_default=False)
    ],
) -> None:
    """Say in acetune what a command of ACE-Step v1's scripts means.

    Reads those of trainer.py, trainer_new.py, convert2hf_dataset.py, convert2hf_dataset_new.py,
    preprocess_dataset_new.py, generate_prompts_lyrics.py, add_alpha_in_lora.py and bake_alpha_in_lora.py, with the
    values that they take where nobody says one. Nothing is run. Flags without a like are named.
    """
    session = session_of(context)
    found = migrated(line)
    notes = {"not_needed": found.not_needed, "no_like": found.no_like, "unknown": found.unknown}
    lines = [session.words(f"migrated_{name}", flags=", ".join(flags)) for name, flags in notes.items() if flags]
    if found.unread is not None:
        lines.append(session.words("migrated_unread", path=found.unread))
    if found.songs is not None:
        lines.append(session.words("migrated_songs", path=found.songs))
    session.finish(vars(found), found.command, *lines)


COMMANDS: Mapping[str, Callable[..., None]] = {"migrate-command": migrate_command}

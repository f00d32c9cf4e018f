"""What help says beyond a command's own options: examples, options of every command, and the knobs."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from acetune.cli.tables import align

if TYPE_CHECKING:
    from acetune.knobs import Knob

EXAMPLES: Final[Mapping[str, Sequence[str]]] = {
    "": ("acetune quickstart", "acetune quickstart ./my_songs --model turbo", "acetune train --help"),
    "quickstart": ("acetune quickstart", "acetune quickstart ./my_songs --model turbo --rank 32 --name my-style"),
    "scan": ("acetune scan ./my_songs", "acetune scan ./my_songs --trigger zxband --strict"),
    "annotate": (
        "acetune annotate ./my_songs",
        "acetune annotate ./my_songs --with tempo,key --overwrite bpm --tracks 'live/*'",
        "acetune annotate ./my_songs --with caption,lyrics --preview 3",
        "acetune annotate ./my_songs --with endpoint --endpoint http://127.0.0.1:8080 --endpoint-model my-model",
    ),
    "encode": ("acetune encode ./my_songs --model turbo",),
    "plan": ("acetune plan ./my_songs --model turbo --epochs 50", "acetune plan ./my_songs --model turbo --preset 8gb"),
    "train": (
        "acetune train ./my_songs --model turbo --name my-style",
        "acetune train ./my_songs --model base --rank 32 --optim.lr 2e-4 --steps 1500",
        "acetune train -c recipe.yaml --on-existing resume --name my-style",
    ),
    "resume": ("acetune resume my-style", "acetune resume my-style --steps 3000"),
    "compare": ("acetune compare mystyle mystyle-2", "acetune compare sweep-1 sweep-2 sweep-3 --json"),
    "sweep": (
        "acetune sweep ./my_songs --model turbo --over lr=1e-4,3e-4 --over rank=16,64 --steps 500",
        "acetune sweep -c recipe.yaml --over objective.timesteps=auto,adaptive --name times",
    ),
    "generate": (
        "acetune generate --model turbo --caption 'warm lo-fi piano, 80 bpm' --seconds 60 -o piano.flac",
        "acetune generate --model turbo --adapter my-style_final.safetensors --caption 'zxband, rock' --seed 7",
        "acetune generate --model turbo --simple 'slow waltz in A minor at 84 bpm, 90 seconds, instrumental'",
        "acetune generate --model turbo --task repaint --source song.flac --start 30 --end 45 --caption 'brass solo'",
    ),
    "export": (
        "acetune export my-style",
        "acetune export my-style --to universal --to peft -o ./exports",
        "acetune export my-style --to comfyui --dtype fp16 --release --install-to ~/ComfyUI",
    ),
    "evaluate": ("acetune evaluate my-style", "acetune evaluate my-style --strength 0.8 --strength 0.9"),
    "report": ("acetune report my-style", "acetune report my-style --lang zh"),
    "tensorboard": ("acetune tensorboard my-style", "acetune tensorboard --port 6007 --no-browser"),
    "doctor": ("acetune doctor",),
    "selftest": (
        "acetune selftest",
        "acetune selftest --model turbo",
        "acetune selftest --model turbo --device cuda:1",
    ),
    "migrate-command": (
        'acetune migrate-command "python trainer_new.py --dataset_path ./prepared --max_steps 1000"',
        'acetune migrate-command "python convert2hf_dataset_new.py --data_dir ./my_songs --output_name rows"',
    ),
    "data import": (
        "acetune data import ./side_step_songs",
        "acetune data import dataset.json ./my_songs",
        "acetune data import songs.csv ./my_songs --map Song=file --map Mood=tags",
        "acetune data import songs.zip ./my_songs --txt-means lyrics",
    ),
    "data check": ("acetune data check ./my_songs", "acetune data check ./my_songs --fix --out ./my_songs_mended"),
    "data edit": (
        "acetune data edit ./my_songs set caption 'warm piano' --tracks 'a*'",
        "acetune data edit ./my_songs replace caption 'lofi' 'lo-fi' --dry-run",
        "acetune data edit ./my_songs tag rock,live --where genre=rock",
        "acetune data edit ./my_songs split validation --tracks b.mp3",
    ),
    "data lyrics": ("acetune data lyrics ./my_songs", "acetune data lyrics ./my_songs --normalise --yes"),
    "data trigger": (
        "acetune data trigger ./my_songs zxband --position append",
        "acetune data trigger ./my_songs --clear",
    ),
    "data rename": (
        "acetune data rename ./my_songs --dry-run",
        "acetune data rename ./my_songs --pattern '{number:03}-{stem}' --safe",
    ),
    "data undo": ("acetune data undo ./my_songs", "acetune data undo ./my_songs --list"),
    "data stats": ("acetune data stats ./my_songs", "acetune data stats ./my_songs --json"),
    "data forget": (
        "acetune data forget ./my_songs song.mp3 --dry-run",
        "acetune data forget ./my_songs song.mp3 --delete-audio --yes",
    ),
    "data add": (
        "acetune data add ~/Downloads/*.mp3 ./my_songs",
        "acetune data add ./more ./my_songs --on-conflict add",
    ),
    "data sample": (
        "acetune data sample take1.wav ./samples --caption 'warm piano, slow' --lyrics words.txt --bpm 82",
        "acetune data sample loop.wav ./samples --caption 'techno' --language instrumental --field tags=techno,dark",
    ),
    "data collect": ("acetune data collect ./samples", "acetune data collect ./samples --as json"),
    "data export": (
        "acetune data export ./my_songs --to zip -o my_songs.zip",
        "acetune data export ./my_songs --to sidecars --layout side-step -o ./for_side_step",
    ),
    "data import-tensors": (
        "acetune data import-tensors ./my_tensors ./my_songs",
        "acetune data import-tensors ./my_tensors ./my_songs --conditions anew",
    ),
    "adapter inspect": (
        "acetune adapter inspect my-style_final.safetensors",
        "acetune adapter inspect ./checkpoints/epoch_10 --variant turbo",
    ),
    "adapter diff": ("acetune adapter diff my-style_400steps.safetensors my-style_final.safetensors",),
    "adapter verify": ("acetune adapter verify theirs.safetensors --variant turbo",),
    "adapter convert": (
        "acetune adapter convert theirs.safetensors --variant turbo --alpha 128",
        "acetune adapter convert my-style_final.safetensors --to kohya --to diffusers -o ./exports",
    ),
    "adapter resize": (
        "acetune adapter resize my-style_final.safetensors --rank 16 -o small.safetensors",
        "acetune adapter resize my-style_final.safetensors --energy 0.95 -o small.safetensors",
    ),
    "adapter merge": (
        "acetune adapter merge a.safetensors b.safetensors --weight 0.7 --weight 0.3 -o both.safetensors",
    ),
    "adapter extract": ("acetune adapter extract ./mymodel_final --variant turbo --rank 64 -o lora.safetensors",),
    "adapter scale": ("acetune adapter scale my-style_final.safetensors --by 0.8 -o softer.safetensors",),
    "adapter strip": ("acetune adapter strip my-style_final.safetensors -o plain.safetensors",),
    "runs ls": ("acetune runs ls",),
    "runs show": ("acetune runs show my-style",),
    "runs logs": ("acetune runs logs my-style -f", "acetune runs logs my-style --json"),
    "runs metrics": ("acetune runs metrics my-style -o my-style.csv",),
    "runs stop": ("acetune runs stop my-style",),
    "runs save": ("acetune runs save my-style",),
    "runs preview": ("acetune runs preview my-style",),
    "runs bundle": ("acetune runs bundle my-style", "acetune runs bundle my-style -o for-the-paper.zip"),
    "runs replay": (
        "acetune runs replay my-style-bundle.zip ./my_songs",
        "acetune runs replay my-style-bundle.zip ./my_songs --first 20",
    ),
    "hub push": (
        "acetune hub push my-style me/my-style --licence cc-by-4.0 --dry-run",
        "acetune hub push my-style me/my-style --licence cc-by-4.0 --audio demo.flac --private",
    ),
    "models ls": ("acetune models ls",),
    "models where": ("acetune models where turbo",),
    "models get": ("acetune models get turbo", "HF_ENDPOINT=https://my.mirror acetune models get turbo"),
    "models verify": ("acetune models verify turbo",),
    "cache ls": ("acetune cache ls",),
    "cache prune": ("acetune cache prune --keep-days 30",),
    "config show": ("acetune config show --model turbo > recipe.yaml", "acetune config show -c recipe.yaml --origin"),
    "config validate": ("acetune config validate recipe.yaml",),
    "config presets": ("acetune config presets",),
    "config labels": ("acetune config labels", "acetune annotate ./my_songs --with tags --overwrite tags"),
    "config schema": ("acetune config schema", "acetune config schema --json"),
}

#: Options that every command has.
EVERYWHERE: Final = (
    ("--home FOLDER", "Workspace for weights, cache and runs; else ACETUNE_HOME, else ./acetune."),
    ("--json", "Events as one JSON object a line on standard output, the result last; texts go to standard error."),
    ("--quiet, -q", "Only warnings, errors and the result."),
    ("--lang en|zh", "Language of messages; else ACETUNE_LANG, else English."),
    ("--debug", "Show where an error arose."),
    ("--version", "Show the version, alone."),
)


#: The option of every command with knobs that is no knob.
PRESETS: Final = (
    ("--preset NAME", "Named knobs (`acetune config presets` lists them); again, or with commas, for more."),
)


def trailer(command: str, with_knobs: bool) -> str:
    """Return what comes after the help of a command."""
    parts = ["", "Options of every command:", *_table(EVERYWHERE)]
    if with_knobs:
        parts += ["", "Many knobs at once:", *_table(PRESETS), "", *knob_lines()]
    if command in EXAMPLES:
        parts += ["", "Examples:", *(f"  {example}" for example in EXAMPLES[command])]
    return "\n".join(parts)


def knob_lines() -> list[str]:
    """Return every knob by section: flag, unit, default, range, and what it does."""
    from acetune.cli.options import all_knobs, short_names

    shorts, section = short_names(), ""
    lines: list[str] = []
    for knob in all_knobs():
        name = knob.name.partition(".")[0]
        if name != section:
            section = name
            lines += [*([""] if lines else []), f"Knobs of section {section}:"]
        flag = ", ".join(filter(None, (shorts.get(knob.name), f"--{knob.name}")))
        lines.append(f"  {flag}  [{'; '.join(facts(knob))}]")
        lines += _wrapped(knob.help, 6)
    return lines


def facts(knob: Knob) -> list[str]:
    """Return default, unit, range and whether a knob may change when a run is resumed."""
    found = [f"default {default(knob)}"]
    if knob.unit:
        found.append(knob.unit)
    if knob.range:
        found.append(knob.range)
    if knob.free:
        found.append("free on resume")
    return found


def default(knob: Knob) -> str:
    """Return a knob's default as one writes it."""
    if knob.default is None or knob.default == "":
        return "none"
    return str(knob.default).lower() if isinstance(knob.default, bool) else str(knob.default)


def _table(rows: Sequence[tuple[str, str]]) -> list[str]:
    """Return names and their meaning in two columns."""
    return ["  " + line for line in align([], rows)]


def _wrapped(text: str, indent: int) -> list[str]:
    """Return a text in lines that fit the terminal."""
    columns = min(120, max(60, shutil.get_terminal_size().columns))
    return textwrap.wrap(text, columns, initial_indent=" " * indent, subsequent_indent=" " * indent)

"""Everything that can be swapped, one line each: a name and where its code lives, resolved when first used.

To add a part, write one file, add one line here, and let the conformance test of its kind adopt it
(`docs/extending.md`).
"""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Any

from acetune.errors import SettingError

#: The verbs of the Python library; the command line has the same names.
VERBS = {
    "scan": "acetune.data.scan:scan",
    "annotate": "acetune.annotation.annotate:annotate",
    "encode": "acetune.encoding.encode:encode",
    "train": "acetune.training.train:train",
    "resume": "acetune.training.train:resume",
    "sweep": "acetune.sweeping:sweep",
    "generate": "acetune.generation.generate:generate",
    "export": "acetune.formats.export:export",
    "evaluate": "acetune.training.evaluate:evaluate",
    "plan": "acetune.planning.plan:plan",
    "report": "acetune.monitor.report:report",
    "compare": "acetune.monitor.comparing:compare",
    "quickstart": "acetune.walkthrough:quickstart",
    "doctor": "acetune.checkup:doctor",
    "selftest": "acetune.trial.selftest:selftest",
}

#: What can be done with a data set; `acetune.data` and the command group `data` have the same names.
DATA_VERBS: dict[str, str] = {
    "import": "acetune.data.importers:import_data",
    "check": "acetune.data.checks:check",
    "add": "acetune.data.adding:add",
    "sample": "acetune.data.samples:sample",
    "collect": "acetune.data.samples:collect",
    "export": "acetune.data.exports:export",
    "edit": "acetune.data.editing:edit",
    "lyrics": "acetune.data.normalising:lyrics",
    "trigger": "acetune.data.triggers:trigger",
    "rename": "acetune.data.renaming:rename",
    "undo": "acetune.data.undoing:undo",
    "stats": "acetune.data.figures:stats",
    "forget": "acetune.encoding.forget:forget",
    "import-tensors": "acetune.encoding.import_tensors:import_tensors",
}

#: What can be done with adapter files; the command group `adapter` has the same names, and `convert` for `export`.
ADAPTER_TOOLS = {
    "inspect": "acetune.formats.inspecting:inspect",
    "diff": "acetune.formats.inspecting:diff",
    "verify": "acetune.formats.consumers:verify",
    "resize": "acetune.formats.tools:resize",
    "merge": "acetune.formats.tools:merge",
    "extract": "acetune.formats.tools:extract",
    "scale": "acetune.formats.tools:scale",
    "strip": "acetune.formats.tools:strip",
}

#: Model families: the torch-free card, which names the rest.
FAMILIES = {
    "acestep_v15": "acetune.families.acestep_v15.variants:CARD",
    "acestep_v1": "acetune.families.acestep_v1.variants:CARD",
}

#: Who counts the tokens of a family's texts, without torch.
TOKEN_COUNTERS = {
    "acestep_v15": "acetune.families.acestep_v15.token_counts:COUNTER",
    "acestep_v1": "acetune.families.acestep_v1.token_counts:COUNTER",
}

#: What reads the songs that other trainers of a family have encoded.
TENSORS = {
    "acestep_v15": "acetune.families.acestep_v15.foreign_tensors:READER",
}

ANNOTATORS = {
    "tempo": "acetune.annotation.tempo:TempoAnnotator",
    "meter": "acetune.annotation.meter:MeterAnnotator",
    "key": "acetune.annotation.key:KeyAnnotator",
    "lyrics-online": "acetune.annotation.online:OnlineLyricsAnnotator",
    "tags": "acetune.annotation.tagger:TagsAnnotator",
    "caption": "acetune.annotation.captioner:CaptionAnnotator",
    "lyrics": "acetune.annotation.transcriber:LyricsAnnotator",
    "whisper": "acetune.annotation.whisper:WhisperAnnotator",
    "omni": "acetune.annotation.describer:OmniAnnotator",
    "endpoint": "acetune.annotation.endpoint:EndpointAnnotator",
    "codes": "acetune.families.acestep_v15.labeller:CodesAnnotator",
    "language": "acetune.annotation.language:LanguageAnnotator",
    "prompt": "acetune.annotation.prompting:PromptAnnotator",
}

#: What tempo and key sound like, for those who check what others say: functions of mono audio at 22.05 kHz.
ESTIMATORS = {
    "bpm": "acetune.annotation.tempo:rhythm",
    "keyscale": "acetune.annotation.key:key",
}

#: Who doubts what a track says: functions from a track to what may be invented, for the check of a data set.
DOUBTERS = {
    "honesty": "acetune.annotation.honesty:doubts",
}

#: Kinds of adapters: what each is to PEFT, to the planner and to files; no torch.
ADAPTERS = {
    "lora": "acetune.adapters.kinds:LORA",
    "dora": "acetune.adapters.kinds:DORA",
    "lokr": "acetune.adapters.kinds:LOKR",
    "loha": "acetune.adapters.kinds:LOHA",
    "oft": "acetune.adapters.kinds:OFT",
}

OPTIMIZERS = {
    "adamw": "acetune.training.optim:adamw",
    "adamw-8bit": "acetune.training.optim:adamw_8bit",
    "adafactor": "acetune.training.optim:adafactor",
    "lion": "acetune.training.optim:lion",
    "muon": "acetune.training.optim:muon",
    "prodigy": "acetune.training.optim:prodigy",
    "prodigy-schedule-free": "acetune.training.optim:prodigy_schedule_free",
}

SCHEDULES = {
    "cosine": "acetune.training.optim:cosine",
    "cosine-restarts": "acetune.training.optim:cosine_restarts",
    "linear": "acetune.training.optim:linear",
    "rex": "acetune.training.optim:rex",
    "constant": "acetune.training.optim:constant",
}

EXPORTERS = {
    "universal": "acetune.formats.universal:UNIVERSAL",
    "peft": "acetune.formats.peft:PEFT",
    "comfyui": "acetune.formats.single:COMFYUI",
    "comfyui-generic": "acetune.formats.single:COMFYUI_GENERIC",
    "kohya": "acetune.formats.single:KOHYA",
    "diffusers": "acetune.formats.single:DIFFUSERS",
    "lycoris": "acetune.formats.single:LYCORIS",
    "acestep-cpp": "acetune.formats.single:ACESTEP_CPP",
}

#: Follow the events of a training; the first always, the others where a recipe names them.
TRACKERS = {
    "tensorboard": "acetune.monitor.tensorboard:TensorboardTracker",
    "wandb": "acetune.monitor.trackers:WandbTracker",
    "trackio": "acetune.monitor.trackers:TrackioTracker",
}

_TABLES = {
    "verb": VERBS,
    "data": DATA_VERBS,
    "adapter tool": ADAPTER_TOOLS,
    "family": FAMILIES,
    "token counter": TOKEN_COUNTERS,
    "tensors": TENSORS,
    "annotator": ANNOTATORS,
    "estimator": ESTIMATORS,
    "doubter": DOUBTERS,
    "adapter": ADAPTERS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "exporter": EXPORTERS,
    "tracker": TRACKERS,
}


def names(kind: str) -> tuple[str, ...]:
    """Return the names of a kind in catalogue order."""
    return tuple(_TABLES[kind])


def resolve(kind: str, name: str) -> Any:
    """Return the part of this name (raises as `known`)."""
    return attribute(_TABLES[kind][known(kind, name)])


def known(kind: str, name: str) -> str:
    """Return a name as it is, without loading its part.

    Raises:
        SettingError: If there is none; the nearest name is offered.
    """
    if name not in _TABLES[kind]:
        raise SettingError(
            "catalog.unknown",
            kind=kind,
            name=name,
            known=", ".join(names(kind)),
            hint=nearest(name, names(kind)),
        )
    return name


def attribute(target: str) -> Any:
    """Return what ``module:attribute`` names, or the module itself."""
    module, _, name = target.partition(":")
    loaded = import_module(module)
    return getattr(loaded, name) if name else loaded


def nearest(word: str, known: tuple[str, ...]) -> str:
    """Return ' Did you mean ...?' for a misspelt word, or nothing."""
    match = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f" Did you mean {match[0]!r}?" if match else ""

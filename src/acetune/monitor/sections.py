"""The sections of a report, each a piece of HTML; a section that has nothing to say is empty."""

from __future__ import annotations

import importlib.metadata
from base64 import b64encode
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from acetune.events import Json, Noticed, PreviewReady
from acetune.monitor.lines import amount, clock
from acetune.monitor.markup import code, facts, fold, paragraph, section, table
from acetune.monitor.summary import Summary, Verdict
from acetune.monitor.words import Words, sentence
from acetune.recipe import dump, family_of
from acetune.run import recommended_strength
from acetune.sections import WHOLE

#: Audio that browsers play; nothing else is ever put into a page.
_SOUNDS = {
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
}
#: Audio beyond this many bytes is linked and not embedded, so that a page has 20 MB at most (base64 takes 4/3).
_MOST_SOUND = 14_000_000
_LIBRARIES = ("acetune", "torch", "diffusers", "transformers", "peft", "accelerate")


def is_embedded(summary: Summary) -> bool:
    """Whether the network was one that acetune made itself."""
    said = summary.result.get("embedded")
    return said if isinstance(said, bool) else bool(family_of(summary.recipe.model.variant)[1].embedded)


def verdict(summary: Summary, words: Words) -> str:
    """Return the answer in one sentence, and what it rests on."""
    look, title, why = _answer(summary, words)
    parts = (f"<strong>{escape(title)}</strong>", paragraph(why), *map(paragraph, _grounds(summary, look, words)))
    return section(words("question"), *parts, look=f"verdict {_key(look)}")


def trained(summary: Summary, words: Words) -> str:
    """Return what was trained."""
    recipe, result, plan = summary.recipe, summary.result, summary.plan
    adapter, whole = recipe.adapter, recipe.adapter.kind == WHOLE
    minutes = plan.get("minutes_of_music")
    epochs = plan.get("epochs")
    pairs = [
        ("variant", recipe.model.variant),
        ("adapter_kind", adapter.kind),
        ("rank", "" if whole else _number(result.get("rank", adapter.rank))),
        ("alpha", "" if whole else _number(result.get("alpha", adapter.alpha))),
        ("scale", "" if whole else _number(result.get("scale", ""))),
        ("targets", "" if whole else adapter.targets),
        ("steps", f"{summary.step}/{summary.total}" if summary.total else str(summary.step)),
        ("epochs", _number(epochs) if epochs is not None else ""),
        ("songs", str(plan.get("tracks", ""))),
        ("minutes", _number(round(float(str(minutes)), 1)) if minutes is not None else ""),
        ("time", clock(sum(step.seconds for step in summary.steps)) if summary.steps else ""),
        ("lr", _number(recipe.optim.lr)),
        ("batch", f"{recipe.data.batch_size} x {recipe.data.accumulation}"),
        ("objective", _objective(summary)),
        ("seed", str(recipe.data.seed)),
        ("trigger", str(result.get("trigger") or "")),
    ]
    return section(words("trained"), facts((words(name), value) for name, value in pairs))


def _objective(summary: Summary) -> str:
    """Return how t was drawn: what a finished training reports, else what the recipe asked for."""
    stated = summary.result.get("objective")
    return str(stated.get("timesteps")) if isinstance(stated, dict) else summary.recipe.objective.timesteps


def listening(summary: Summary, words: Words) -> str:
    """Return players: for each prompt the sound before and after, the newest of each strength."""
    groups: dict[tuple[str, int, bool], dict[float, PreviewReady]] = {}
    for preview in summary.previews:
        groups.setdefault((preview.caption, preview.seed, preview.coded), {})[preview.strength] = preview
    room, linked = _MOST_SOUND, 0
    parts = [paragraph(words("listen_random" if is_embedded(summary) else "listen_how"), "soft")] if groups else []
    for (caption, seed, coded), by_strength in groups.items():
        players = []
        for strength in sorted(by_strength):
            player, size = _player(summary.run.folder, by_strength[strength], room, words)
            room -= size
            linked += not size and (summary.run.folder / by_strength[strength].path).is_file()
            players.append(player)
        parts += [
            f"<h3>{escape(caption or words('no_caption'))}</h3>",
            paragraph(words("seed_is", seed=seed) + (words("coded") if coded else ""), "soft"),
            f'<div class="pair">{"".join(players)}</div>',
        ]
    left_out = paragraph(words("sound_left_out", count=linked), "soft") if linked else ""
    return section(words("listen"), *parts, left_out)


def files(summary: Summary, words: Words) -> str:
    """Return where the adapter lies and how it is used."""
    folder = summary.run.adapters
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    final = next((entry for entry in entries if entry.name.endswith("_final.safetensors")), None)
    if not entries:
        return section(words("files"), paragraph(words("no_files")))
    rows: list[Sequence[str | float]] = [
        (entry.name, _purpose(entry, words), amount(_size(entry)).replace(" ", "\u00a0")) for entry in entries
    ]
    parts = [paragraph(words("files_in", folder=folder)), table([words("file"), words("purpose"), words("size")], rows)]
    model = next((entry for entry in entries if _is_model(entry)), None)
    usage = _usage(summary, final, words) if final else _model_usage(summary, model, words) if model else ""
    return section(words("files"), *parts) + usage


def held_out_units(summary: Summary, words: Words) -> str:
    """Return the held-out songs or windows one by one, the most helped first."""
    ranked = sorted(summary.units, key=lambda unit: unit.now - unit.base)
    rows = [(unit.name, unit.base, unit.now, unit.now - unit.base) for unit in ranked]
    heads = [words(name) for name in ("unit", "base_loss", "loss", "difference")]
    return section(words("units_title"), fold(words("units_table", count=len(rows)), table(heads, rows)))


def notices(summary: Summary, words: Words) -> str:
    """Return skipped songs and warnings, each once."""
    seen = dict.fromkeys((n.subject, sentence(n, words.language)) for n in summary.notices if n.severity != "info")
    warnings = summary.plan.get("warnings")
    planned = [("", _planned(advice, words.language)) for advice in warnings] if isinstance(warnings, list) else []
    rows = [(subject or "-", message) for subject, message in dict.fromkeys([*planned, *seen])]
    if not rows:
        return section(words("notices"), paragraph(words("no_notices")))
    return section(words("notices"), table([words("subject"), words("message")], rows))


def _planned(advice: Json, language: str) -> str:
    """Return a warning of the plan."""
    if not isinstance(advice, dict):
        return str(advice)
    params = advice.get("params")
    values = params if isinstance(params, dict) else {}
    return sentence(Noticed(code=str(advice.get("code")), message=str(advice.get("message")), params=values), language)


def reproduce(summary: Summary, words: Words) -> str:
    """Return what one needs to repeat the run."""
    pairs = [
        (words("seed"), str(summary.recipe.data.seed)),
        (words("fingerprint"), str(summary.result.get("fingerprint") or "")),
        *((name, _version(name)) for name in _LIBRARIES),
    ]
    recipe = fold(words("recipe"), code(dump(summary.recipe)))
    return section(words("reproduce"), facts(pairs), paragraph(words("reproduce_how"), "soft"), recipe)


def _answer(summary: Summary, words: Words) -> tuple[str, str, str]:
    """Return kind, sentence and reason of the verdict, or of the state where there is none yet."""
    found = summary.verdict
    if found is None or (_is_unfinished(summary) and found.reason == "no validation"):
        state = f"state_{summary.state}"
        return summary.state, words(state), words(f"{state}_why")
    reason = words.find(f"reason_{_key(found.reason)}", found.reason)
    return found.verdict, words(f"verdict_{_key(found.verdict)}"), reason


def _grounds(summary: Summary, look: str, words: Words) -> Iterator[str]:
    """Yield what else one should know about a verdict."""
    found = summary.verdict
    if found is not None and found.difference is not None:
        yield _measured(found, words)
    if found is not None and found.best_step not in (None, found.step):
        yield words("best_earlier", step=found.best_step)
    if _is_unfinished(summary) and look != summary.state:
        yield words(f"state_{summary.state}_why")
    if is_embedded(summary):
        yield words("embedded_taught" if family_of(summary.recipe.model.variant)[1].taught else "embedded")


def _is_unfinished(summary: Summary) -> bool:
    """Whether the training began and did not come to its end."""
    return summary.state not in ("done", "new")


def _key(name: str) -> str:
    """Return a name as part of a text key or CSS class."""
    return name.replace(" ", "_")


def _measured(found: Verdict, words: Words) -> str:
    """Return the numbers of a verdict in a sentence."""
    mode = "songs" if found.mode == "songs" else "windows"
    text = words(
        f"measured_{mode}",
        units=found.units,
        difference=found.difference,
        step=found.step,
    )
    if found.low is None or found.high is None:
        return f"{text} {words('no_interval')}"
    return f"{text} {words('interval', low=found.low, high=found.high)}"


def _number(value: object) -> str:
    """Return a number without noise of its last digits."""
    return f"{value:.6g}" if isinstance(value, (int, float)) and not isinstance(value, bool) else str(value)


def _player(folder: Path, preview: PreviewReady, room: int, words: Words) -> tuple[str, int]:
    """Return a player and the bytes that it puts into the page."""
    path = folder / preview.path
    label = words("before") if preview.strength == 0 else words("after", strength=preview.strength)
    if preview.step is not None and preview.strength != 0:
        label += words("at_step", step=preview.step)
    kind = _SOUNDS.get(path.suffix.lower())
    if kind is None or not path.is_file():
        return f"<div><p>{escape(label)}</p>{paragraph(words('no_sound', path=preview.path), 'soft')}</div>", 0
    size = path.stat().st_size
    if size > room:
        return f'<div><p>{escape(label)}</p><p><a href="{escape(path.as_uri())}">{escape(path.name)}</a></p></div>', 0
    data = b64encode(path.read_bytes()).decode("ascii")
    sound = f'<audio controls preload="metadata" aria-label="{escape(label)}" src="data:{kind};base64,{data}"></audio>'
    return f"<div><p>{escape(label)}</p>{sound}</div>", size


def _purpose(entry: Path, words: Words) -> str:
    """Return what an adapter file is for."""
    if entry.is_dir():
        return words("for_model" if _is_model(entry) else "for_official")
    return words("for_all" if entry.name.endswith("_final.safetensors") else "for_comparison")


def _is_model(entry: Path) -> bool:
    """Whether a folder is a whole model."""
    return (entry / "model_index.json").is_file()


def _model_usage(summary: Summary, model: Path, words: Words) -> str:
    """Return how a model is used, of which all weights were trained."""
    variant = summary.recipe.model.variant
    snippet = f'from diffusers import AceStepPipeline\n\npipeline = AceStepPipeline.from_pretrained(r"{model}")\n'
    commands = (
        f'acetune generate --model {variant} --model-path "{model}" --caption "..."\n'
        f'acetune train SONGS --model {variant} --model.path "{model}"'
    )
    parts = (f"<h3>diffusers</h3>{code(snippet)}", f"<h3>acetune</h3>{code(commands)}")
    return section(words("use"), paragraph(words("use_model")), *parts)


def _size(entry: Path) -> int:
    """Return the bytes of a file or of a folder's files."""
    inside = entry.rglob("*") if entry.is_dir() else (entry,)
    return sum(file.stat().st_size for file in inside if file.is_file())


def _usage(summary: Summary, final: Path, words: Words) -> str:
    """Return how the final adapter is used, program by program."""
    trigger = str(summary.result.get("trigger") or "")
    official = final.with_suffix("")
    snippet = (
        "from diffusers import AceStepPipeline\n\n"
        'pipeline = AceStepPipeline.from_pretrained("...")  # '
        f"{words('same_variant', variant=summary.recipe.model.variant)}\n"
        f'pipeline.load_lora_weights(r"{final}")\n'
    )
    command = f'acetune generate --adapter "{final}" --model {summary.recipe.model.variant} --caption "..."'
    parts = [
        paragraph(words("use_embedded") if is_embedded(summary) else ""),
        paragraph(words("use_trigger", trigger=trigger) if trigger else words("use_no_trigger")),
        paragraph(_strength(summary, words)),
        f"<h3>ComfyUI</h3>{paragraph(words('use_comfyui', file=final.name))}",
        f"<h3>diffusers</h3>{code(snippet)}",
        f"<h3>{escape(words('official_app'))}</h3>{paragraph(words('use_official', folder=official))}"
        if official.is_dir()
        else "",
        f"<h3>acetune</h3>{code(command)}",
    ]
    return section(words("use"), *parts)


def _strength(summary: Summary, words: Words) -> str:
    """Return at which strength to begin."""
    strength = recommended_strength(summary.run, summary.step)
    return words("use_strength") if strength in (None, 1) else words("use_other_strength", strength=strength)


def _version(name: str) -> str:
    """Return the version of an installed library; empty where it is not."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""

"""The page that tells others what an adapter is: a model card as the Hugging Face hub reads it. No names, no lyrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import yaml

from acetune.events import Json
from acetune.families.variant import Variant
from acetune.monitor.summary import Summary
from acetune.run import recommended_strength
from acetune.sharing.rights import Rights

_TAGS: Final = ("ace-step", "acetune", "music", "text-to-music")

_REPEAT: Final = (
    "## Repeat it\n\nWith the same songs: `acetune runs replay bundle.zip SONGS`. The bundle has the recipe, the "
    "versions, the seeds and every loss."
)


def card(
    summary: Summary,
    variant: Variant,
    rights: Rights,
    licence: str | None,
    files: Mapping[str, str],
    library: str | None = None,
) -> str:
    """Return the card of a finished run.

    Args:
        summary: Of the run.
        variant: That it was trained on.
        rights: In its songs.
        licence: Of the adapter, as the hub spells it; None for not stated.
        files: Name to SHA-256 of what lies beside the card.
        library: Of those that the hub knows, the one that loads the adapter; None for none.
    """
    result = summary.result
    sections = [
        f"# {summary.run.name}",
        f"An adapter ({result.get('kind')}, rank {result.get('rank')}) for ACE-Step {variant.name}, trained with "
        f"acetune for {result.get('steps')} steps on {rights.songs} songs.",
        _use(summary, variant),
        _metrics(summary),
        _rights(rights, licence, variant),
        _audio([name for name in files if name.startswith("audio-")]),
        _files(files),
        _REPEAT if "bundle.zip" in files else "",
    ]
    body = "\n\n".join(section for section in sections if section)
    return f"---\n{_front(summary, variant, licence, library)}---\n\n{body}\n"


def _front(summary: Summary, variant: Variant, licence: str | None, library: str | None) -> str:
    """Return what the hub reads: YAML; a network that lay in a folder may be another than the published one."""
    result, published = summary.result, variant.repositories and summary.recipe.model.path is None
    own = variant.repositories[0].id if published else None
    known: dict[str, object] = {
        "license": licence or "other",
        "base_model": own,
        "base_model_relation": "adapter" if own else None,
        "library_name": library,
        "pipeline_tag": "text-to-audio",
        "instance_prompt": result.get("trigger"),
        "tags": [*_TAGS, str(result.get("kind"))],
    }
    told = {name: value for name, value in known.items() if value is not None}
    return yaml.safe_dump(told, allow_unicode=True, sort_keys=False)


def _use(summary: Summary, variant: Variant) -> str:
    """Return how to use it."""
    result, how = summary.result, variant.sampling
    recommended = recommended_strength(summary.run, _step(result))
    strength = result.get("strength", 1.0) if recommended is None else recommended
    why = "as it was trained" if recommended is None else "recommended by held-out music"
    lines = [
        f"- model: `{variant.name}`; {how.steps} steps, shift {how.shift:g}, guidance {how.guidance:g}",
        f"- strength: {strength} ({why}; the scale is inside the file)",
    ]
    if summary.recipe.model.path is not None:
        lines.append(f"- base: weights from a folder of the author, fingerprint `{result.get('fingerprint')}`")
    if result.get("trigger"):
        lines.append(f"- trigger: `{result['trigger']}`, in front of the caption")
    return "## Use\n\n" + "\n".join(lines)


def _step(result: Mapping[str, Json]) -> int | None:
    """Return the step of the adapter that is published."""
    step = result.get("steps")
    return step if isinstance(step, int) else None


def _metrics(summary: Summary) -> str:
    """Return what the held-out music says."""
    verdict = summary.verdict
    if verdict is None or verdict.difference is None:
        return "## Did it learn?\n\nNothing was held out, so nobody can tell."
    interval = "" if verdict.low is None else f", 95 % interval {verdict.low:+.4f} to {verdict.high:+.4f}"
    what = f"{verdict.units} held-out {verdict.mode}"
    return (
        f"## Did it learn?\n\nVerdict: **{verdict.verdict}**. Held-out loss against the base model on the same noise: "
        f"{verdict.difference:+.4f}{interval} ({what}; below zero is better)."
    )


def _rights(rights: Rights, licence: str | None, variant: Variant) -> str:
    """Return licences and consent."""
    weights = ", ".join(dict.fromkeys(repository.licence for repository in variant.repositories)) or "made from a seed"
    songs = ", ".join(f"{name} ({count})" for name, count in rights.licences.items()) or "not stated"
    unknown = rights.songs - rights.found
    more = f"; nothing is known of {unknown} more" if unknown else ""
    return (
        f"## Rights\n\n- this adapter: {licence or 'not stated'}\n- base model: {weights}\n- songs: {songs}{more}\n"
        f"- consent stated for {rights.consented} of {rights.songs} songs"
    )


def _files(files: Mapping[str, str]) -> str:
    """Return what lies beside the card."""
    rows = [f"| `{name}` | `{sha256}` |" for name, sha256 in sorted(files.items())]
    return "\n".join(["## Files\n", "| file | SHA-256 |", "|---|---|", *rows])


def _audio(audio: Sequence[str]) -> str:
    """Return players of generated pieces."""
    if not audio:
        return ""
    return "## Listen\n\nGenerated with it:\n\n" + "\n".join(f'<audio controls src="{name}"></audio>' for name in audio)

"""The part of a report that says what was asked after the training: the best strength, what the trigger does."""

from __future__ import annotations

from collections.abc import Mapping

from acetune.events import Json
from acetune.files import read_json
from acetune.monitor.chart import Chart, Series
from acetune.monitor.curves import figure
from acetune.monitor.markup import paragraph, section, table
from acetune.monitor.summary import Summary
from acetune.monitor.words import Words
from acetune.sections import WHOLE


def strengths(summary: Summary, words: Words) -> str:
    """Return held-out loss by strength and the recommendation; empty where it was not measured at the judged step."""
    title = words("strength_title")
    if summary.recipe.adapter.kind == WHOLE and summary.verdict:
        return section(title, paragraph(words("strength_whole")))
    found = answers(summary, "strengths")
    rows = [row for row in _list(found, "strengths") if isinstance(row, dict)]
    if not rows:
        return ""
    reason = str(found.get("reason"))
    parts = (
        paragraph(words("strength_summary", strength=found.get("recommended"), best=found.get("best"))),
        paragraph(words.find(f"strength_{reason.replace(' ', '_')}", reason)),
        figure(_chart(found, rows, words), _table(rows, words), words),
        paragraph(words("strength_how", units=found.get("units")), "soft"),
    )
    return section(title, *parts)


def trigger(summary: Summary, words: Words) -> str:
    """Return what the trigger does to held-out music; empty where there is none."""
    found = answers(summary, "trigger")
    rows = {name: row for name in ("on", "off", "gain") if isinstance(row := found.get(name), dict)}
    if not rows:
        return ""
    answer = str(found.get("answer")).replace(" ", "_")
    heads = [words(name) for name in ("trigger_captions", "difference", "low", "high")]
    cells = [
        [words(f"trigger_{name}"), *("-" if row.get(n) is None else _number(row, n) for n in ("mean", "low", "high"))]
        for name, row in rows.items()
    ]
    how = paragraph(words("trigger_how", units=rows["gain"].get("units")), "soft")
    return section(words("trigger_title"), paragraph(words(f"trigger_{answer}")), table(heads, cells), how)


def _chart(found: Mapping[str, Json], rows: list[dict[str, Json]], words: Words) -> Chart:
    """Return the difference from the base model by strength, with its interval."""
    points = tuple((_number(row, "strength"), _number(row, "difference")) for row in rows)
    band = tuple(
        (_number(row, "strength"), _number(row, "low"), _number(row, "high"))
        for row in rows
        if row.get("low") is not None and row.get("high") is not None
    )
    return Chart(
        title=words("strength_curve"),
        summary=words("strength_summary", strength=found.get("recommended"), best=found.get("best")),
        x_label=words("strength"),
        y_label=words("difference"),
        series=(Series(words("difference"), "held", points),),
        band=band,
        zero=True,
    )


def _table(rows: list[dict[str, Json]], words: Words) -> str:
    """Return the numbers of each strength."""
    names = ("strength", "loss", "difference", "low", "high")
    cells = [["-" if row.get(name) is None else _number(row, name) for name in names] for row in rows]
    return table([words(name) for name in names], cells)


def answers(summary: Summary, name: str) -> Mapping[str, Json]:
    """Return what a file of the evaluation says of the step that was judged; empty where it says nothing of it."""
    path = summary.run.evaluation / f"{name}.json"
    content = read_json(path) if path.is_file() else {}
    judged = summary.verdict.step if summary.verdict else None
    return content if isinstance(content, dict) and content.get("step") == judged else {}


def _list(values: Mapping[str, Json], name: str) -> list[Json]:
    """Return a list by its name; an empty one where there is none."""
    found = values.get(name)
    return found if isinstance(found, list) else []


def _number(row: Mapping[str, Json], name: str) -> float:
    """Return a number of a row."""
    return float(str(row[name]))

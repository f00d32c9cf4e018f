"""The curves of a run as figures with a sentence and a table each: held-out difference, loss, learning rate."""

from __future__ import annotations

from html import escape

from acetune.monitor.chart import Chart, Point, Series, change, draw
from acetune.monitor.markup import fold, table
from acetune.monitor.smooth import smooth
from acetune.monitor.summary import Summary
from acetune.monitor.words import Words

#: Rows of a data table; longer curves are thinned evenly.
_MOST_ROWS = 100


def curves(summary: Summary, words: Words) -> str:
    """Return all figures of a run; empty where nothing was trained."""
    return held_out(summary, words) + loss(summary, words) + learning_rate(summary, words)


def held_out(summary: Summary, words: Words) -> str:
    """Return the difference from the base model on held-out music, with its interval."""
    found = summary.validations
    if not found:
        return ""
    start: tuple[Point, ...] = ((0.0, 0.0),)  # at step 0 the network is the base model
    points = start + tuple((float(v.step), v.difference) for v in found)
    best = min(found, key=lambda v: v.difference)
    chart = Chart(
        title=words("held_out"),
        summary=words("held_out_summary", difference=best.difference, step=best.step),
        x_label=words("step"),
        y_label=words("difference"),
        series=(Series(words("difference"), "held", points),),
        band=tuple((float(v.step), v.low, v.high) for v in found if v.low is not None and v.high is not None),
        zero=True,
    )
    heads = ("step", "loss", "base_loss", "difference", "low", "high", "units")
    rows = [(v.step, v.loss, v.base_loss, v.difference, _bound(v.low), _bound(v.high), v.units) for v in found]
    return figure(chart, table([words(head) for head in heads], rows), words)


def loss(summary: Summary, words: Words) -> str:
    """Return the training loss, raw and smoothed."""
    raw = tuple((float(s.step), s.loss) for s in summary.steps)
    smoothed = tuple(zip((x for x, _ in raw), smooth(y for _, y in raw), strict=True))
    ends = change([y for _, y in raw])
    chart = Chart(
        title=words("loss_curve"),
        summary=words("loss_summary", first=ends[0], last=ends[1], steps=len(raw)) if ends else "",
        x_label=words("step"),
        y_label=words("loss"),
        series=(Series(words("loss"), "raw", raw), Series(words("smoothed"), "smooth", smoothed)),
    )
    chosen = _even(len(raw))
    rows = [(int(raw[i][0]), raw[i][1], smoothed[i][1]) for i in chosen]
    return figure(chart, table([words("step"), words("loss"), words("smoothed")], rows), words)


def learning_rate(summary: Summary, words: Words) -> str:
    """Return the learning rate."""
    points: tuple[Point, ...] = tuple((float(s.step), s.lr) for s in summary.steps)
    if not points:
        return ""
    chart = Chart(
        title=words("lr_curve"),
        summary=words("lr_summary", peak=max(y for _, y in points), last=points[-1][1]),
        x_label=words("step"),
        y_label=words("lr"),
        series=(Series(words("lr"), "rate", points),),
        zero=True,
    )
    rows = [(int(points[i][0]), points[i][1]) for i in _even(len(points))]
    return figure(chart, table([words("step"), words("lr")], rows), words)


def figure(chart: Chart, data: str, words: Words) -> str:
    """Return a chart with its title, sentence and data; nothing where nothing can be drawn."""
    drawing = draw(chart)
    if not drawing:
        return ""
    caption = f"<figcaption>{escape(chart.summary)}</figcaption>"
    return f"<figure><h3>{escape(chart.title)}</h3>{drawing}{caption}{fold(words('data_table'), data)}</figure>"


def _bound(value: float | None) -> float | str:
    """Return a bound of an interval, or a dash."""
    return "-" if value is None else value


def _even(count: int) -> list[int]:
    """Return so many evenly spread places, the first and the last among them."""
    if count <= _MOST_ROWS:
        return list(range(count))
    return [round(i * (count - 1) / (_MOST_ROWS - 1)) for i in range(_MOST_ROWS)]

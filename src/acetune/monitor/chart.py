"""Line charts as inline SVG: no script, no style attribute, colours by class so that a page can be light or dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

#: Drawing area in SVG units, and room for the labels around it.
_WIDTH, _HEIGHT = 640, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 12, 12, 40
#: More points than this cannot be told apart on a screen.
_MOST_POINTS = 600

Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One curve.

    Attributes:
        name: Shown in the legend.
        look: CSS class of the curve: raw, smooth, held or rate.
        points: (x, y) in order of x; values that are no numbers are left out.
    """

    name: str
    look: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class Chart:
    """Curves over one axis.

    Attributes:
        title: What it shows.
        summary: The same in a sentence, for those who cannot see it.
        x_label, y_label: Names of the axes.
        series: Curves, the last one on top.
        band: (x, low, high) of an interval around a curve.
        zero: Whether zero belongs on the axis and gets a line of its own.
    """

    title: str
    summary: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    band: tuple[tuple[float, float, float], ...] = ()
    zero: bool = False


def draw(chart: Chart) -> str:
    """Return a chart as an SVG element; empty where there is nothing to draw."""
    xs = [x for series in chart.series for x, y in series.points if math.isfinite(y)]
    ys = [y for series in chart.series for _, y in series.points if math.isfinite(y)]
    if not xs:
        return ""
    ys += [y for _, low, high in chart.band for y in (low, high)]
    scale = _Scale(_span(xs, padded=False), _span([*ys, 0.0] if chart.zero else ys))
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(chart.title)}">',
        f"<title>{escape(chart.title)}</title><desc>{escape(chart.summary)}</desc>",
        *_axes(scale, chart),
        *_band(scale, chart.band),
        *(_curve(scale, series) for series in chart.series),
        "</svg>",
    ]
    return "".join(parts)


def thin(points: Sequence[Point], most: int = _MOST_POINTS) -> tuple[Point, ...]:
    """Return fewer points, the lowest and the highest of each bucket among them, so that no spike is lost."""
    if len(points) <= most:
        return tuple(points)
    size = math.ceil(2 * len(points) / most)
    kept: list[Point] = []
    for start in range(0, len(points), size):
        bucket = points[start : start + size]
        kept += sorted({min(bucket, key=_height), max(bucket, key=_height)})
    return tuple(kept)


def ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Return round values that divide a span into about so many parts."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * n for n in (1, 2, 5, 10) if power * n >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(n * step for n in range(first, last + 1))


@dataclass(frozen=True)
class _Scale:
    """From values to places in the drawing."""

    x_span: Point
    y_span: Point

    def x(self, value: float) -> float:
        """Return the place of an x value."""
        low, high = self.x_span
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return the place of a y value; SVG counts downwards."""
        low, high = self.y_span
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Iterable[Point]) -> str:
        """Return points as coordinates of a polyline."""
        return " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in points)


def _height(point: Point) -> float:
    """Return the y value of a point."""
    return point[1]


def _span(values: Sequence[float], *, padded: bool = True) -> Point:
    """Return the least and the greatest value, with some room, never equal."""
    low, high = min(values), max(values)
    room = (high - low) * (0.06 if padded else 0) or (0 if high > low else abs(low) * 0.05 or 1.0)
    return low - room, high + room


def _axes(scale: _Scale, chart: Chart) -> Iterable[str]:
    """Yield grid lines, their numbers and the names of the axes."""
    left, right, bottom = _LEFT, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for value in ticks(*scale.y_span):
        y = scale.y(value)
        look = "zero" if chart.zero and abs(value) < 1e-12 else "grid"
        yield f'<line class="{look}" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="number" x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>'
    for value in ticks(*scale.x_span, about=8):
        text = f'<text class="number" x="{scale.x(value):.1f}" y="{bottom + 16}" text-anchor="middle">'
        yield f"{text}{_number(value)}</text>"
    middle = (left + right) / 2
    yield f'<text class="label" x="{middle:.0f}" y="{_HEIGHT - 6}" text-anchor="middle">{escape(chart.x_label)}</text>'
    height = (_TOP + bottom) / 2
    place = f'x="12" y="{height:.0f}" transform="rotate(-90 12 {height:.0f})"'
    yield f'<text class="label" {place} text-anchor="middle">{escape(chart.y_label)}</text>'


def _band(scale: _Scale, band: Sequence[tuple[float, float, float]]) -> Iterable[str]:
    """Yield the interval as an area, and as a bar at each point, so that a single one shows too."""
    if len(band) > 1:
        upper = scale.path((x, high) for x, _, high in band)
        lower = scale.path((x, low) for x, low, _ in reversed(band))
        yield f'<polygon class="band" points="{upper} {lower}"/>'
    for x, low, high in band:
        at = f"{scale.x(x):.1f}"
        yield f'<line class="whisker" x1="{at}" x2="{at}" y1="{scale.y(low):.1f}" y2="{scale.y(high):.1f}"/>'


def _curve(scale: _Scale, series: Series) -> str:
    """Return one curve; few points are marked."""
    points = thin([point for point in series.points if math.isfinite(point[1])])
    dots = points if len(points) <= 30 else ()
    circles = "".join(
        f'<circle class="{series.look}" cx="{scale.x(x):.1f}" cy="{scale.y(y):.1f}" r="3"/>' for x, y in dots
    )
    return f'<polyline class="{series.look}" points="{scale.path(points)}"/>{circles}'


def _number(value: float) -> str:
    """Return an axis number without noise of its last digits, short enough for the margin."""
    if abs(value) < 1e-12:
        return "0"
    if abs(value) >= 1e-3:
        return f"{value:.4g}"
    digits, _, power = f"{value:.3g}".partition("e") if abs(value) < 1e-4 else f"{value * 1e4:.3g}e-4".partition("e")
    return f"{digits}e{int(power)}"


def change(values: Sequence[float]) -> Point | None:
    """Return the means of the first and of the last tenth of a curve; None where it has no two values."""
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return None
    size = max(1, len(finite) // 10)
    return sum(finite[:size]) / size, sum(finite[-size:]) / size

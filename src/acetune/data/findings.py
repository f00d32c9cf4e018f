"""What a check finds: a stable code, how bad it is, which track, and two sentences in any language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, TypeAlias, get_args

from acetune.errors import AcetuneError
from acetune.events import Json, plain

#: An error keeps a track from being used, a warning makes a training worse, an information may be meant so.
Severity: TypeAlias = Literal["error", "warning", "info"]
#: The worst first.
SEVERITIES: Final[tuple[Severity, ...]] = get_args(Severity)


@dataclass(frozen=True)
class Finding:
    """Something that is wrong, or may be.

    Attributes:
        severity: How bad it is.
        track: Path of the track, or of a file that is no track; empty for the whole data set.
        code: Stable; the key of its texts.
        params: The values that the texts name.
        value: What was measured or read.
    """

    severity: Severity
    track: str
    code: str
    params: Mapping[str, Json]
    value: float | str | None

    @classmethod
    def of(cls, severity: Severity, track: str, problem: AcetuneError, value: float | str | None = None) -> Finding:
        """Return the finding that an error describes; nothing is raised."""
        params = {name: plain(part) for name, part in problem.params.items()}
        return cls(severity, track, problem.code, MappingProxyType(params), value)

    def message(self, language: str = "en") -> str:
        """Return what was found, in one sentence that does not name the track."""
        return AcetuneError(self.code, **self.params).message(language)

    def remedy(self, language: str = "en") -> str:
        """Return what to do about it, in one sentence."""
        return AcetuneError(self.code, **self.params).remedy(language)


@dataclass(frozen=True)
class CheckResult:
    """What a check found.

    Attributes:
        findings: The worst first, then in the order of the data set.
        counts: How many ``tracks`` were checked, how many were ``excluded`` and not, how many of them were ``heard``,
            and how many findings of each severity there are.
    """

    findings: tuple[Finding, ...]
    counts: Mapping[str, int]

    @property
    def worst(self) -> Severity | None:
        """The severity of the worst finding; None where there are none."""
        return self.findings[0].severity if self.findings else None


def ranked(findings: Iterable[Finding], order: Sequence[str]) -> tuple[Finding, ...]:
    """Return findings with the worst first, those of one severity in the order of these paths, others after them."""
    place = {path: number for number, path in enumerate(order)}
    return tuple(
        sorted(findings, key=lambda f: (SEVERITIES.index(f.severity), place.get(f.track, len(place)), f.track, f.code))
    )


def count(findings: Iterable[Finding]) -> dict[str, int]:
    """Return how many findings of each severity there are."""
    found = Counter(finding.severity for finding in findings)
    return {severity: found[severity] for severity in SEVERITIES}

"""What the commands about weights do for models that listen to songs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from acetune.annotation.annotator import Setup
from acetune.annotation.checkpoints import PUBLISHED, Publication, own
from acetune.cli.session import Session
from acetune.cli.tables import align
from acetune.errors import MissingDependency
from acetune.monitor.lines import amount


@dataclass(frozen=True)
class Listener:
    """A published model and the annotator that uses it."""

    name: str
    known: Publication

    def row(self, models: Path) -> dict[str, object]:
        """Return what the list says about it, as about a variant."""
        place = self._place(models)
        return {
            "variant": self.name,
            "family": "annotator",
            "embedded": False,
            "parts": {} if place is None else {"model": place},
            "here": place is not None,
            "bytes": self.known.size_bytes,
            "licence": self.known.licence,
            "about": self.known.summary,
        }

    def where(self, session: Session, models: Path) -> None:
        """Print where it is.

        Raises:
            MissingDependency: If it is not here.
        """
        place = own(Setup(models, models), self.name)
        result = {"variant": self.name, "embedded": False, "parts": {"model": place}}
        session.finish(result, *align([], [["model", str(place)]]))

    def get(self, session: Session, models: Path) -> None:
        """Fetch it, unless it is here, and print where it is.

        Raises:
            MissingDependency: If downloads are forbidden.
            DownloadFailed: If it could not be fetched whole.
        """
        from acetune.families.hub import download
        from acetune.families.variant import Repository

        if self._place(models) is None:
            known = self.known
            size = amount(known.size_bytes)
            session.say(session.words("fetching", repository=known.repository, size=size, licence=known.licence))
            repository = Repository(known.repository, known.patterns, known.size_bytes, known.licence)
            download(repository, models, session.job)
        self.where(session, models)

    def verify(self, session: Session, models: Path) -> None:
        """Check its files: readable, whole, and the bytes that the hub stated.

        Raises:
            MissingDependency: If it is not here.
            DataError: For the first file that is damaged.
        """
        from acetune.families import weights

        weights.verify([own(Setup(models, models), self.name)], session.job)
        session.finish({"variant": self.name, "verified": True}, session.words("verified", variant=self.name))

    def _place(self, models: Path) -> Path | None:
        """Return where it is; None where it is not here."""
        try:
            return own(Setup(models, models), self.name)
        except MissingDependency:
            return None


def listeners() -> tuple[Listener, ...]:
    """Return every published model that listens, in the order of their annotators."""
    return tuple(Listener(name, known) for name, known in PUBLISHED.items())

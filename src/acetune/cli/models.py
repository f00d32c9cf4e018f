"""Commands about model weights: list, locate, fetch, verify."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from acetune.cli.session import Session, session_of
from acetune.cli.tables import align
from acetune.errors import MissingDependency, SettingError
from acetune.monitor.lines import amount

if TYPE_CHECKING:
    from acetune.cli.listeners import Listener
    from acetune.families.variant import Variant

Name = Annotated[str, typer.Argument(metavar="VARIANT", help="Such as turbo; `acetune models ls` lists all.")]


def list_models(context: typer.Context) -> None:
    """List every variant and every model that listens: size, licence, and whether it is here."""
    from acetune.catalog import names, resolve
    from acetune.cli.listeners import listeners

    session = session_of(context)
    cards = [resolve("family", name) for name in names("family")]
    rows = [_row(session, card, variant) for card in cards for variant in card.variants]
    rows += [listener.row(_folder(session)) for listener in listeners()]
    heads = [session.words(f"column_{name}") for name in ("variant", "here", "size", "licence", "about")]
    cells = [[row["variant"], _here(session, row), _size(row), row["licence"] or "-", row["about"]] for row in rows]
    session.finish({"models": rows}, *align(heads, cells))


def where(context: typer.Context, variant: Name) -> None:
    """Print where a variant's weights are."""
    session = session_of(context)
    listener = _listener(variant)
    if listener is not None:
        listener.where(session, _folder(session))
        return
    card, known = _find(variant)
    parts = {} if known.embedded else card.locate(known, _folder(session))
    if parts is None:
        raise MissingDependency("cli.no_weights", variant=known.name, size=amount(_bytes(known)))
    _finish(session, known, parts)


def get(context: typer.Context, variant: Name) -> None:
    """Fetch a variant's weights.

    What is here already is not fetched again; a broken download goes on where it stopped. HF_ENDPOINT chooses a mirror
    of the model hub, HF_HUB_OFFLINE=1 forbids downloads.
    """
    session = session_of(context)
    listener = _listener(variant)
    if listener is not None:
        listener.get(session, _folder(session))
        return
    card, known = _find(variant)
    for repository in known.repositories:
        size, licence = amount(repository.size_bytes), repository.licence
        session.say(session.words("fetching", repository=repository.id, size=size, licence=licence))
    _finish(session, known, {} if known.embedded else card.fetch(known, _folder(session), session.job))


def verify(context: typer.Context, variant: Name) -> None:
    """Check a variant's weights: every tensor there and whole."""
    session = session_of(context)
    listener = _listener(variant)
    if listener is not None:
        listener.verify(session, _folder(session))
        return
    card, known = _find(variant)
    if not known.embedded:
        card.verify(known, _folder(session), session.job)
    session.finish({"variant": known.name, "verified": True}, session.words("verified", variant=known.name))


COMMANDS: Mapping[str, Callable[..., None]] = {"ls": list_models, "where": where, "get": get, "verify": verify}


def _find(name: str) -> tuple[Any, Variant]:
    """Return the card and the variant of this name.

    Raises:
        SettingError: If there is none; models that listen are among the names that are offered.
    """
    from acetune.catalog import nearest
    from acetune.cli.listeners import listeners
    from acetune.recipe import family_of

    try:
        card, known = family_of(name)
    except SettingError as error:
        names = (*str(error.params["known"]).split(", "), *(listener.name for listener in listeners()))
        facts = {"variant": name, "known": ", ".join(names), "hint": nearest(name, names)}
        raise SettingError(error.code, **facts) from error
    return card, known


def _listener(name: str) -> Listener | None:
    """Return the model of this name that listens to songs; None for a variant."""
    from acetune.cli.listeners import listeners

    return next((listener for listener in listeners() if listener.name == name), None)


def _folder(session: Session) -> Path:
    """Return the workspace's folder of weights."""
    from acetune.workspace import Workspace

    return Workspace.at(session.home).models


def _row(session: Session, card: Any, variant: Variant) -> dict[str, Any]:
    """Return what the list says about a variant."""
    parts: Mapping[str, Path | None] | None = {} if variant.embedded else card.locate(variant, _folder(session))
    return {
        "variant": variant.name,
        "family": card.name,
        "embedded": variant.embedded,
        "parts": dict(parts or {}),
        "here": parts is not None and all(parts.values()),
        "bytes": _bytes(variant),
        "licence": ", ".join(dict.fromkeys(repository.licence for repository in variant.repositories)),
        "about": variant.summary,
    }


def _bytes(variant: Variant) -> int:
    """Return the size of a variant's download."""
    return sum(repository.size_bytes for repository in variant.repositories)


def _here(session: Session, row: Mapping[str, Any]) -> str:
    """Return whether weights are here, in a word."""
    return session.words(
        "embedded" if row["embedded"] else "yes" if row["here"] else "partly" if row["parts"] else "no"
    )


def _size(row: Mapping[str, Any]) -> str:
    """Return the size of a download in words."""
    return amount(row["bytes"]) if row["bytes"] else "-"


def _finish(session: Session, variant: Variant, parts: Mapping[str, Path | None]) -> None:
    """Give the places of a variant's parts; those of an embedded one are nowhere."""
    rows = [[name, str(path) if path else session.words("not_here")] for name, path in parts.items()]
    lines = align([], rows) if rows else [session.words("is_embedded")]
    session.finish({"variant": variant.name, "embedded": variant.embedded, "parts": dict(parts)}, *lines)

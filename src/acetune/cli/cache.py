"""Commands about the cache of encoded songs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated

import typer

from acetune.cli.session import session_of
from acetune.cli.tables import align
from acetune.monitor.lines import amount


def list_cache(context: typer.Context) -> None:
    """List what the cache holds, by kind, with its size."""
    from acetune.encoding.cache import listing
    from acetune.workspace import Workspace

    session = session_of(context)
    workspace = Workspace.at(session.home)
    kinds: dict[str, tuple[int, int]] = {}
    for entry in listing(workspace.cache):
        count, size = kinds.get(entry.kind, (0, 0))
        kinds[entry.kind] = count + 1, size + entry.bytes
    rows = [{"kind": kind, "count": count, "bytes": size} for kind, (count, size) in sorted(kinds.items())]
    total = sum(size for _, size in kinds.values())
    heads = [session.words(f"column_{name}") for name in ("kind", "count", "size")]
    cells = [[kind, str(count), amount(size)] for kind, (count, size) in sorted(kinds.items())]
    session.finish(
        {"path": workspace.cache, "bytes": total, "kinds": rows},
        *(align(heads, cells) if cells else ()),
        session.words("cache_total", path=workspace.cache, size=amount(total)),
    )


def prune(
    context: typer.Context,
    keep_days: Annotated[
        float | None,
        typer.Option(help="Keep what was used in so many days; else everything goes.", min=0, show_default=False),
    ] = None,
) -> None:
    """Delete encoded songs; what is needed again is encoded again."""
    from acetune.encoding.cache import prune as delete
    from acetune.workspace import Workspace

    session = session_of(context)
    freed = delete(Workspace.at(session.home).cache, keep_days=keep_days)
    session.finish({"bytes": freed}, session.words("freed", size=amount(freed)))


COMMANDS: Mapping[str, Callable[..., None]] = {"ls": list_cache, "prune": prune}

"""Data sets: tracks, manifests, scanning, splitting. No torch.

The verbs of the command group ``data`` are attributes of this package, imported when first used:
``acetune.data.check(...)`` is ``acetune data check``.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    """Return a verb by name; a dash becomes ``_``, and a name that Python keeps for itself gets one at its end."""
    from acetune.catalog import DATA_VERBS, resolve

    verb = name.rstrip("_").replace("_", "-")
    if verb in DATA_VERBS:
        return resolve("data", verb)
    raise AttributeError(f"module 'acetune.data' has no attribute {name!r}")

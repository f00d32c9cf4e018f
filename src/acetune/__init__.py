"""Fine-tune ACE-Step music models from a folder of songs, and prove that it learned.

The verbs (`scan`, `annotate`, `encode`, `train`, `generate`, `export` and their companions) are attributes of this
package; each is imported when it is first used, so that ``import acetune`` is quick and needs no torch.
"""

from __future__ import annotations

from typing import Any

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Return a verb, or one of the types a verb takes, by name."""
    from acetune.catalog import VERBS, attribute, resolve

    types = {
        "Job": "acetune.events:Job",
        "Recipe": "acetune.recipe:Recipe",
        "Request": "acetune.generation.request:Request",
    }
    if name in VERBS:
        return resolve("verb", name)
    if name in types:
        return attribute(types[name])
    raise AttributeError(f"module 'acetune' has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the verbs too."""
    from acetune.catalog import VERBS

    return sorted([*globals(), *VERBS])

"""Replacing by regular expressions that people type: none of them can hang or fill the memory."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from acetune.errors import DataError

#: ``((a{999}){999}){999}`` is a short pattern, and its program is not.
_MOST_REPEATS: Final = 100_000
_COUNTS = re.compile(r"\{\s*(\d*)\s*(?:,\s*(\d*)\s*)?\}")


def replacer(pattern: str, replacement: str, seconds: float = 5.0) -> Callable[[str], str]:
    r"""Return what replaces everything in a text that a pattern fits.

    Args:
        pattern: A regular expression.
        replacement: Its text; ``\1`` is what the first group of the pattern held.
        seconds: All texts together may take so long, for a data set is held meanwhile.

    Raises:
        DataError: If the pattern cannot be used; the function raises it for a replacement that cannot, or if all its
            calls together take too long.
    """
    import regex

    if math.prod(int(count or 1) or 1 for counts in _COUNTS.findall(pattern) for count in counts) > _MOST_REPEATS:
        raise DataError("edit.bad_pattern", pattern=pattern, cause="too many repeats")
    with _our_errors(pattern, seconds):
        compiled = regex.compile(pattern)
    left = seconds

    def replace(text: str) -> str:
        nonlocal left
        started = time.perf_counter()
        with _our_errors(pattern, seconds):
            changed: str = compiled.sub(replacement, text, timeout=max(left, 0.001))
        left -= time.perf_counter() - started
        return changed

    return replace


@contextmanager
def _our_errors(pattern: str, seconds: float) -> Iterator[None]:
    """Turn what the library says about a pattern or its replacement into our errors."""
    import regex

    try:
        yield
    except TimeoutError as cause:
        raise DataError("edit.slow_pattern", pattern=pattern, seconds=seconds) from cause
    except (regex.error, IndexError, OverflowError, RecursionError, ValueError) as cause:
        raise DataError("edit.bad_pattern", pattern=pattern, cause=" ".join(str(cause).split())) from cause

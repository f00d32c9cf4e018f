"""The words that the tagger chooses from: a list for each dimension, which people may change.

The built-in lists are files beside this module. A file of the same name in ``<workspace>/annotation/labels`` takes
the place of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final, Literal, TypeGuard, cast, get_args

from acetune import files
from acetune.catalog import nearest
from acetune.data.fields import read_tags
from acetune.errors import DataError

#: In the order in which a prompt has them.
DIMENSIONS: Final = ("genre", "vocal", "instruments", "mood", "timbre", "era", "production", "energy")

Windows = Literal["all", "best"]

#: Folder of a person's own lists, inside the workspace's folder of annotation.
LABELS: Final = "labels"
_KEYS: Final = ("top", "windows", "sentences", "gate", "labels")
_MOST: Final = 10


@dataclass(frozen=True)
class Label:
    """A tag, the words that the model hears for it, and where it stands on the scale of energy, if it does (0 to 1)."""

    tag: str
    words: str
    level: float | None = None


@dataclass(frozen=True)
class Dimension:
    """One thing that can be said about a song.

    Attributes:
        name: One of `DIMENSIONS`.
        top: Labels at most that a song gets.
        windows: Whether a label is judged by all windows of a song or by those in which it is most likely.
        sentences: Each label's words take the place of ``{}`` in each of them.
        labels: At least two.
        gate: A tag for songs without voice and one for songs with a voice, each with whole sentences; where it is
            there, labels count only on its second side.
    """

    name: str
    top: int
    windows: Windows
    sentences: tuple[str, ...]
    labels: tuple[Label, ...]
    gate: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def prompts(self) -> tuple[tuple[str, ...], ...]:
        """Return what the model reads for each label."""
        return tuple(tuple(sentence.replace("{}", label.words) for sentence in self.sentences) for label in self.labels)

    def tags(self) -> tuple[str, ...]:
        """Return every tag that can come out."""
        return (*(tag for tag, _ in self.gate), *(label.tag for label in self.labels))


def read_labels(folder: Path | None = None) -> tuple[Dimension, ...]:
    """Return the lists of all dimensions.

    Args:
        folder: Of a person's own lists; it need not exist.

    Raises:
        DataError: If a list cannot be read or used; says which line of which file is wrong.
    """
    own = {path.stem: path for path in sorted(folder.glob("*.yaml"))} if folder is not None else {}
    for name, path in own.items():
        if name not in DIMENSIONS:
            known = ", ".join(DIMENSIONS)
            raise DataError("tagging.no_dimension", path=path, name=name, known=known, hint=nearest(name, DIMENSIONS))
    return tuple(_read(name, own.get(name)) for name in DIMENSIONS)


def write_labels(folder: Path, names: Sequence[str] = DIMENSIONS) -> tuple[Path, ...]:
    """Copy built-in lists to where they can be changed, and return the new files; a file that is there stays.

    Raises:
        DiskFull: If there is no room.
        NotWritable: If the folder may not be written.
    """
    missing = [(folder / f"{name}.yaml", name) for name in names if not (folder / f"{name}.yaml").exists()]
    for path, name in missing:
        files.write_bytes(path, _built_in(name))
    return tuple(path for path, _ in missing)


def _built_in(name: str) -> bytes:
    """Return the file of a built-in list."""
    return (resources.files("acetune.annotation") / "labels" / f"{name}.yaml").read_bytes()


def _read(name: str, path: Path | None) -> Dimension:
    """Return the dimension that a file describes: a person's, or the built-in one."""
    import yaml

    where = path or Path(f"{name}.yaml")
    try:
        values = yaml.safe_load((path.read_bytes() if path else _built_in(name)).decode("utf-8-sig"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as cause:
        raise DataError("tagging.bad_list", path=where, cause=" ".join(str(cause).split())) from cause
    if not isinstance(values, dict):
        raise DataError("tagging.bad_list", path=where, cause="it has no keys such as labels")
    for key in values:
        if key not in _KEYS:
            raise DataError(
                "tagging.unknown_key", path=where, key=key, known=", ".join(_KEYS), hint=nearest(str(key), _KEYS)
            )
    return _dimension(name, values, where)


def _dimension(name: str, values: Mapping[str, object], where: Path) -> Dimension:
    """Return the dimension of a file's values."""
    top, windows = values.get("top", 1), values.get("windows", "all")
    if not isinstance(top, int) or isinstance(top, bool) or not 1 <= top <= _MOST:
        raise DataError("tagging.bad_value", path=where, key="top", value=top, known=f"1-{_MOST}")
    if windows not in get_args(Windows):
        known = ", ".join(get_args(Windows))
        raise DataError("tagging.bad_value", path=where, key="windows", value=windows, known=known)
    sentences = _texts(values.get("sentences"), "sentences", where)
    for sentence in sentences:
        if sentence.count("{}") != 1:
            raise DataError("tagging.bad_sentence", path=where, sentence=sentence)
    labels = tuple(_label(item, where) for item in _list(values.get("labels"), "labels", 2, where))
    dimension = Dimension(name, top, cast("Windows", windows), sentences, labels, _gate(values.get("gate"), where))
    _check_twins(dimension.tags(), where)
    return dimension


def _label(item: object, where: Path) -> Label:
    """Return a label: a tag, ``tag: words`` or ``tag: {words: ..., level: ...}``."""
    tag, said = next(iter(item.items())) if isinstance(item, dict) and len(item) == 1 else (item, item)
    spoken = said if isinstance(said, dict) else {"words": said}
    words, level = spoken.get("words", tag), spoken.get("level")
    if _is_tag(tag) and _is_text(words) and _is_level(level) and {*spoken} <= {"words", "level"}:
        return Label(tag.strip(), words.strip(), level)
    raise DataError("tagging.bad_label", path=where, label=str(item)[:80])


def _gate(value: object, where: Path) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the two sides of a gate; nothing where a file has none."""
    if value is None:
        return ()
    if not isinstance(value, dict) or len(value) != 2 or not all(map(_is_tag, value)):
        raise DataError("tagging.bad_gate", path=where)
    return tuple((tag.strip(), _texts(sentences, tag, where)) for tag, sentences in value.items())


def _check_twins(tags: Sequence[str], where: Path) -> None:
    """Refuse a tag that a list has twice."""
    tag, count = Counter(tag.casefold() for tag in tags).most_common(1)[0]
    if count > 1:
        raise DataError("tagging.twin_label", path=where, label=tag)


def _texts(value: object, key: str, where: Path) -> tuple[str, ...]:
    """Return a list of texts."""
    found = _list(value, key, 1, where)
    for text in found:
        if not _is_text(text):
            raise DataError("tagging.bad_label", path=where, label=str(text)[:80])
    return tuple(str(text).strip() for text in found)


def _list(value: object, key: str, least: int, where: Path) -> list[object]:
    """Return a list that is long enough."""
    if not isinstance(value, list) or len(value) < least:
        raise DataError("tagging.short_list", path=where, key=key, least=least)
    return value


def _is_text(value: object) -> TypeGuard[str]:
    """Whether a value is text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def _is_level(value: object) -> TypeGuard[float | None]:
    """Whether a value is a place between 0 and 1, or none."""
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1)


def _is_tag(value: object) -> TypeGuard[str]:
    """Whether a value can stand between the commas of a prompt."""
    return isinstance(value, str) and read_tags(value) == (value.strip(),)

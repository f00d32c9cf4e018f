"""How a knob is declared, listed, written as YAML and refused: the machinery under `acetune.recipe`."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.config import JsonDict
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticCustomError

from acetune.catalog import nearest
from acetune.errors import SettingError

S = TypeVar("S", bound="Section")

#: What pydantic calls a problem to our code, and what it calls the limit that was missed; "" where there is none.
_PROBLEMS: Final = MappingProxyType(
    {
        "greater_than_equal": ("recipe.at_least", "ge"),
        "less_than_equal": ("recipe.at_most", "le"),
        "greater_than": ("recipe.above", "gt"),
        "less_than": ("recipe.below", "lt"),
        "literal_error": ("recipe.one_of", "expected"),
        **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), ("recipe.whole_number", "")),
        **dict.fromkeys(("float_parsing", "float_type", "no_number"), ("recipe.number", "")),
        "finite_number": ("recipe.finite", ""),
        **dict.fromkeys(("bool_parsing", "bool_type"), ("recipe.yes_no", "")),
    }
)


def knob(default: Any, help: str, *, unit: str = "", expert: bool = False, free: bool = False, **bounds: Any) -> Any:
    """Declare a knob.

    Args:
        default: Its value where nobody says otherwise.
        help: One sentence for people.
        unit: Unit of the value.
        expert: Hidden from the basic form.
        free: Whether it may change when a run is resumed.
        **bounds: ``ge``, ``gt``, ``le``, ``lt`` of pydantic.
    """
    extra: JsonDict = {"unit": unit, "expert": expert, "on_resume": "free" if free else "fixed"}
    return Field(default, description=help, json_schema_extra=extra, **bounds)


class Section(BaseModel):
    """A frozen group of knobs; unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_bool(cls, value: object, info: ValidationInfo) -> object:
        """Refuse yes and no where a number is wanted; pydantic would turn them into 1 and 0."""
        wanted = cls.model_fields[info.field_name or ""].annotation
        if isinstance(value, bool) and {int, float} & {wanted, *get_args(wanted)}:
            raise PydanticCustomError("no_number", "a number is wanted")
        return value


def _words(value: object) -> object:
    """Join a YAML list of words, so that a target list reads naturally in a file."""
    return ",".join(map(str, value)) if isinstance(value, list) else value


#: A list of words, written as one string with commas or as a YAML list.
Words = Annotated[str, BeforeValidator(_words)]


@dataclass(frozen=True)
class Knob:
    """One knob as doors show it: `name` is ``section.knob``, `kind` a JSON schema fragment."""

    name: str
    default: object
    help: str
    unit: str
    expert: bool
    free: bool
    kind: Mapping[str, object]

    @property
    def range(self) -> str:
        """Return the allowed values in words; empty where anything of the type goes."""
        choices = self.kind.get("enum", [self.kind["const"]] if "const" in self.kind else None)
        if isinstance(choices, list):
            return ", ".join(map(str, choices))
        return " and ".join(f"{sign} {self.kind[key]}" for key, sign in _BOUNDS.items() if key in self.kind)


_BOUNDS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


@cache
def knobs_of(name: str, section: type[Section]) -> tuple[Knob, ...]:
    """Return the knobs of a section in the order of their declaration."""
    schema = section.model_json_schema()["properties"]
    return tuple(_knob(f"{name}.{key}", field, _flat(schema[key])) for key, field in section.model_fields.items())


def _knob(name: str, field: FieldInfo, shape: Mapping[str, object]) -> Knob:
    """Return a declared field as doors show it."""
    return Knob(
        name=name,
        default=field.default,
        help=field.description or "",
        unit=str(shape.get("unit", "")),
        expert=bool(shape.get("expert", False)),
        free=shape.get("on_resume") == "free",
        kind=shape,
    )


def _flat(shape: dict[str, Any]) -> dict[str, Any]:
    """Merge the alternatives of an optional knob, so that its bounds are in one place."""
    merged = dict(shape)
    for part in shape.get("anyOf", ()):
        for key, value in part.items():
            merged.setdefault(key, value)
    return merged


def flatten(values: Mapping[str, object]) -> dict[str, object]:
    """Return ``{"section.knob": value}`` of a nested mapping; names that are no text become text."""
    flat: dict[str, object] = {}
    for section, inner in values.items():
        if isinstance(inner, Mapping):
            flat.update({f"{section}.{name}": value for name, value in inner.items()})
        else:
            flat[str(section)] = inner
    return flat


def nest(flat: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """Return knobs by section of a flat mapping; what has no section is under the empty name."""
    sections: dict[str, dict[str, object]] = {}
    for name, value in flat.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, {})[key] = value
    return sections


def parse_scalar(text: str) -> object:
    """Return the value a person typed for a knob: YAML, so that 1e-4, true and null mean what they say."""
    try:
        return yaml.safe_load(text) if text else ""
    except yaml.YAMLError:
        return text


def renamed(flat: Mapping[str, object], names: Mapping[str, str], origin: str) -> dict[str, object]:
    """Return a layer under the knobs' own names; dashes may stand for underscores.

    Args:
        flat: The layer.
        names: Other names, in snake case, and the knobs they mean.
        origin: Of the layer, for the error.

    Raises:
        SettingError: If two of its names mean the same knob.
    """
    own: dict[str, object] = {}
    for name, value in flat.items():
        plain = name.replace("-", "_")
        full = names.get(plain, plain)
        if full in own:
            raise SettingError("recipe.twice", knob=full, name=name, origin=origin)
        own[full] = value
    return own


def merge(
    layers: Iterable[tuple[str, Mapping[str, object]]],
    legal: Collection[str],
    hints: Collection[str],
    either: tuple[str, str],
) -> tuple[dict[str, object], dict[str, str]]:
    """Return the values of all layers, a later one over an earlier one, and the origin of each.

    Args:
        layers: Pairs of an origin and flat values.
        legal: Names of all knobs.
        hints: Other names that may be offered for a misspelt one.
        either: Two knobs of which a layer may choose one; that choice takes the other of earlier layers back.

    Raises:
        SettingError: For unknown names (with the nearest) and for a layer that chooses both of `either`.
    """
    values: dict[str, object] = {}
    origins: dict[str, str] = {}
    for origin, layer in layers:
        unknown = next((name for name in layer if name not in legal), None)
        if unknown is not None:
            hint = nearest(unknown, (*sorted(legal), *hints))
            raise SettingError("recipe.unknown_knob", knob=unknown, origin=origin, hint=hint)
        chosen = [name for name in either if layer.get(name) is not None]
        if len(chosen) == 2:
            raise SettingError("recipe.steps_and_epochs", origin=origin)
        values |= (dict.fromkeys(either) if chosen else {}) | dict(layer)
        origins |= dict.fromkeys(layer, origin)
    return values, origins


def build(section: type[S], values: Mapping[str, object], origins: Mapping[str, str], prefix: str = "") -> S:
    """Return a section of these values.

    Args:
        section: What to build.
        values: Its knobs by name.
        origins: Where each full name was said, for the error.
        prefix: What makes names of the section full, such as ``family.``.

    Raises:
        SettingError: One clear sentence for the first thing that pydantic refuses.
    """
    try:
        return section(**values)
    except ValidationError as error:
        raise _refusal(error.errors()[0], origins, prefix) from error


def _refusal(found: ErrorDetails, origins: Mapping[str, str], prefix: str) -> SettingError:
    """Return what pydantic refuses, in our words where we have some, else in pydantic's."""
    name = prefix + ".".join(str(part) for part in found["loc"][:2])
    code, kind = _PROBLEMS.get(found["type"], ("recipe.bad_value", ""))
    limit = found.get("ctx", {}).get(kind, "")
    return SettingError(
        code,
        knob=name,
        value=json.dumps(found.get("input"), default=str),
        limit=f"{limit:g}" if isinstance(limit, float) else str(limit).replace(" or ", ", "),
        problem=found["msg"].removeprefix("Value error, "),
        origin=origins.get(name, "the recipe"),
    )


def from_yaml(path: Path) -> dict[str, object]:
    """Read a YAML file of sections.

    Raises:
        SettingError: If it cannot be read or is no YAML mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except OSError as cause:
        raise SettingError("recipe.no_file", path=path) from cause
    except (yaml.YAMLError, ValueError) as cause:  # no UTF-8, or an impossible date
        raise SettingError("recipe.not_yaml", path=path, cause=" ".join(str(cause).split())) from cause
    if not isinstance(values, dict):
        raise SettingError("recipe.not_yaml", path=path, cause="it holds no sections")
    return values


def to_yaml(values: Mapping[str, Mapping[str, object]], helps: Mapping[str, Knob]) -> str:
    """Return sections as YAML, each knob with its help as a comment; sections without knobs are left out."""
    lines = []
    for section, knobs in values.items():
        if not isinstance(knobs, Mapping):
            lines.append(f"{section}: {_scalar(knobs)}")
        elif knobs:
            lines.append(f"\n{section}:")
            lines += [f"  {key}: {_scalar(value)}{_comment(f'{section}.{key}', helps)}" for key, value in knobs.items()]
    return "\n".join(lines).strip() + "\n"


def _comment(name: str, helps: Mapping[str, Knob]) -> str:
    """Return a knob's help behind its value."""
    known = helps.get(name)
    if known is None:
        return ""
    return f"  # {known.help}{f' [{known.unit}]' if known.unit else ''}"


def _scalar(value: object) -> str:
    """Return a value on one line; text in double quotes, where YAML has an escape for everything."""
    if isinstance(value, str):
        quoted: str = yaml.safe_dump(value, default_style='"', allow_unicode=True, width=math.inf)
        return quoted.rstrip("\n")
    return json.dumps(value)

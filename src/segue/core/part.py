"""A part: a frozen description with a plain noun for a name, which YAML and the command line can change.

`kind` is the class name in snake case, and a class is known as soon as it is imported: Python's own list of subclasses
is the registry.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from segue.core.errors import SettingsError

Kind = TypeVar("Kind", bound="Part")  # not `Self`: the shape checker of the tests cannot read that in a method


class Part(BaseModel):
    """A frozen, typed description of one piece of a system; unknown fields are refused.

    A class that is only an interface sets `abstract = True` in its own body; every other class is final.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True)
    abstract: ClassVar[bool] = True

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "abstract" not in vars(cls):
            cls.abstract = "[" in cls.__name__  # pydantic makes a class for each `Objective[ScoringModel]`

    @classmethod
    def kind(cls) -> str:
        """The name of this class in YAML and on the command line: `CausalTransformer` is `causal_transformer`."""
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", cls.__name__).lower()

    @classmethod
    def kinds(cls) -> dict[str, type[Part]]:
        """The final classes that fit where `cls` is asked for, by kind."""
        return {part.kind(): part for part in _descendants(cls) if not part.abstract}

    @model_validator(mode="wrap")
    @classmethod
    def _choose_class(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        """Let a bare word or a mapping with `kind` choose the class."""
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            value = cls._of_word(value)
        if not isinstance(value, Mapping) or "kind" not in value:
            return handler(value)
        fields = {name: field for name, field in value.items() if name != "kind"}
        chosen = cls._named(str(value["kind"]))
        return handler(fields) if chosen is cls else chosen.model_validate(fields)

    @classmethod
    def _of_word(cls, word: str) -> dict[str, Any]:
        """What a bare word means where such a part is asked for: its kind."""
        return {"kind": word}

    @classmethod
    def _named(cls, kind: str) -> type[Part]:
        known = cls.kinds()
        if kind in known:
            return known[kind]
        elsewhere = Part.kinds().get(kind)
        if elsewhere is not None:
            raise PydanticCustomError(
                "wrong_kind",
                "'{kind}' is not a {wanted}; choose one of: {known}",
                {"kind": kind, "wanted": cls.__name__, "known": ", ".join(sorted(known))},
            )
        near = difflib.get_close_matches(kind, known, n=1)
        raise PydanticCustomError(
            "unknown_kind",
            "unknown {wanted} '{kind}'{hint}; known: {known}",
            {
                "wanted": cls.__name__.split("[")[0],
                "kind": kind,
                "hint": f"; did you mean '{near[0]}'?" if near else "",
                "known": ", ".join(sorted(known)) or "none",
            },
        )

    def dump(self) -> dict[str, Any]:
        """This part as plain values for YAML or JSON, each part inside it with its `kind`."""
        values: dict[str, Any] = {"kind": self.kind()}
        for name in type(self).model_fields:
            values[name] = _plain(getattr(self, name))
        return values

    def changed(self: Kind, changes: Mapping[str, Any]) -> Kind:
        """A copy with some settings replaced, the whole tree validated again.

        A key may be a dotted path. A mapping with a `kind` replaces a part, one without changes its fields, and a bare
        word is the kind with its defaults. What a new kind cannot do without and is not given, it takes over from the
        part that it replaces.

        Raises:
            SettingsError: a path, value or kind does not exist or does not fit.
        """
        values = self.dump()
        for path, value in _together(changes).items():
            values = _set(values, path.split("."), value, whole=path)
            if isinstance(value, str) and len(changes) > 1:  # perhaps a kind, whose own settings come next
                values = type(self).parse(values).dump()
        return type(self).parse(values)

    @classmethod
    def parse(cls: type[Kind], values: Any) -> Kind:
        """The part that plain values describe.

        Raises:
            SettingsError: what is wrong, with the path of the setting.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise SettingsError(explain(error, cls)) from None


def explain(error: ValidationError, cls: type[BaseModel]) -> str:
    """A pydantic error in one line a fault: the path, what was expected, what came."""
    lines = []
    for fault in error.errors():
        path = ".".join(str(step) for step in fault["loc"]) or "settings"
        if fault["type"] == "extra_forbidden":
            wrong = str(fault["loc"][-1])  # another part may have a setting of just this name
            near = difflib.get_close_matches(wrong, [name for name in _all_field_names(cls) if name != wrong], n=1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            lines.append(f"{path}: there is no such setting{hint}")
        else:
            came = fault["input"]
            shown = "" if isinstance(came, dict | BaseModel) else f" (came: {came!r})"
            lines.append(f"{path}: {fault['msg']}{shown}")
    return "\n".join(lines)


def _descendants(cls: type[Part]) -> Iterator[type[Part]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _descendants(child)


def _all_field_names(cls: type[BaseModel]) -> list[str]:
    names = list(cls.model_fields)
    for part in Part.kinds().values():
        names.extend(part.model_fields)
    return names


def _plain(value: Any) -> Any:
    if isinstance(value, Part):
        return value.dump()
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if isinstance(value, tuple | list):
        return [_plain(element) for element in value]
    if isinstance(value, Mapping):
        return {key: _plain(element) for key, element in value.items()}
    return value


def _together(changes: Mapping[str, Any]) -> dict[str, Any]:
    """`encoder=KIND` and `encoder.path=...` as one change: some kinds are nothing without a setting of their own."""
    found = dict(changes)
    for path, value in changes.items():
        own = {name: name.removeprefix(f"{path}.") for name in found if name.startswith(f"{path}.")}
        own = {name: setting for name, setting in own.items() if "." not in setting}
        if isinstance(value, str) and own and value in Part.kinds():
            found[path] = {"kind": value, **{setting: found.pop(name) for name, setting in own.items()}}
    return found


def _set(values: dict[str, Any], path: list[str], value: Any, *, whole: str) -> dict[str, Any]:
    """`values` with `value` at `path`; the mapping given is not touched."""
    name, rest = path[0], path[1:]
    current = values.get(name)
    if rest:
        if not isinstance(current, dict):
            near = difflib.get_close_matches(name, values, n=1)
            hint = f" Did you mean '{near[0]}'?" if near and near[0] != name else f" Known here: {', '.join(values)}."
            raise SettingsError(f"{whole}: '{name}' is not a part with settings of its own.{hint}")
        return values | {name: _set(current, rest, value, whole=whole)}
    if isinstance(value, Part):
        value = value.dump()
    if isinstance(current, dict) and "kind" in current and isinstance(value, Mapping) and "kind" not in value:
        merged = current
        for key, inner in value.items():
            merged = _set(merged, [key], inner, whole=f"{whole}.{key}")
        return values | {name: merged}
    if isinstance(current, dict) and "kind" in current:
        value = _inheriting(value, current)
    return values | {name: value}


def _inheriting(value: Any, old: Mapping[str, Any]) -> Any:
    """A new part, with the settings that its kind requires and that only the one before it has."""
    given = {"kind": value} if isinstance(value, str) else value
    new = Part.kinds().get(str(given.get("kind"))) if isinstance(given, Mapping) else None
    if new is None:
        return value
    needed = [name for name, field in new.model_fields.items() if field.is_required() and name not in given]
    return {**given, **{name: old[name] for name in needed if name in old}}

"""The parameters of a family of models: described once in models.yaml, checked by a pydantic model made from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Union

from pydantic import AfterValidator, Field, Strict, ValidationError, WrapValidator, create_model
from pydantic_core import PydanticCustomError

from evaluation.base.checked import Checked
from evaluation.models.importing import import_object

# Name in models.yaml → type in Python. A number may be written without a dot.
TYPES: dict[str, Any] = {
    "integer": Annotated[int, Strict()],
    "number": Annotated[float, Strict()],
    "string": Annotated[str, Strict()],
    "boolean": Annotated[bool, Strict()],
    "object": Annotated[dict[str, Any], Strict()],
    "null": None,
}
BOUNDS = {"minimum": "ge", "exclusiveMinimum": "gt", "maximum": "le", "exclusiveMaximum": "lt"}
SIGNS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
NO_DEFAULT = object()


class Kind(Checked):
    """The values that a parameter takes, in the words of JSON schema."""

    type: str | list[str] | None = None
    minimum: float | None = None
    exclusiveMinimum: float | None = None
    maximum: float | None = None
    exclusiveMaximum: float | None = None
    enum: list[Any] | None = None
    items: Kind | None = None
    minItems: int = 0
    anyOf: list[Kind] | None = None

    def annotation(self) -> Any:
        """The type that a value must have."""
        if self.enum is not None:
            return Literal.__getitem__(tuple(self.enum))  # type: ignore[attr-defined]
        if isinstance(self.type, str):
            return self._of_type(self.type)
        each = [kind.annotation() for kind in self.anyOf] if self.anyOf else map(self._of_type, self.type or [])
        kinds: Any = Union[tuple(each)]  # noqa: UP007
        return Annotated[kinds, WrapValidator(self._one_of_several)]

    def _one_of_several(self, value: Any, check: Callable[[Any], Any]) -> Any:
        """One sentence where no kind fits, in place of one for each."""
        try:
            return check(value)
        except ValidationError:
            said = ", ".join(filter(None, self.words()))
            raise PydanticCustomError("kinds", "Input should be {said}", {"said": said}) from None

    def _of_type(self, name: str) -> Any:
        if name == "array":
            each: Any = self.items.annotation() if self.items else Any
            return Annotated[list.__class_getitem__(each), Field(min_length=self.minItems)]
        bounds = {word: getattr(self, key) for key, word in BOUNDS.items() if getattr(self, key) is not None}
        return Annotated[TYPES[name], Field(**bounds)] if name in ("integer", "number") and bounds else TYPES[name]

    def words(self) -> tuple[str, str]:
        """Type and allowed values, as docs/models.md prints them."""
        if self.anyOf is not None:
            kinds, bounds = zip(*(kind.words() for kind in self.anyOf), strict=True)
            return " or ".join(kinds), ", ".join(dict.fromkeys(filter(None, bounds)))
        kind = self.type or "choice"
        allowed = [f"{sign} {getattr(self, key):.10g}" for key, sign in SIGNS.items() if getattr(self, key) is not None]
        words = ", ".join(map(str, self.enum)) if self.enum else ", ".join(allowed)
        words = self.items.words()[1] if self.items is not None else words
        return " or ".join(kind) if isinstance(kind, list) else kind, words


class Parameter(Kind):
    """One parameter of a family's models."""

    default: Any = Field(NO_DEFAULT, description="what the model's constructor takes where nothing is said")
    required: bool = Field(False, description="there is no model without it")
    paper: Any = Field(None, description="the value in the paper")
    above: str | None = Field(None, description="a parameter of the same family that this one has to be larger than")
    description: str
    parse: str | None = Field(None, description="import path of a function that raises ValueError for a wrong value")

    @property
    def has_default(self) -> bool:
        return self.default is not NO_DEFAULT

    def annotation(self) -> Any:
        kind = super().annotation()
        return Annotated[kind, AfterValidator(_parsed_by(self.parse))] if self.parse else kind


def _parsed_by(path: str) -> Any:
    def parse(value: Any) -> Any:
        import_object(path)(value)
        return value

    return parse


def params_model(name: str, parameters: Mapping[str, Parameter]) -> type[Checked]:
    """The model of some parameters of a family: every one may be left out, another one is refused."""
    fields: dict[str, Any] = {
        key: (entry.annotation(), Field(None, description=entry.description)) for key, entry in parameters.items()
    }
    return create_model(f"parameters of {name}", __base__=Checked, **fields)

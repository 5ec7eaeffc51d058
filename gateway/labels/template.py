"""Templates of labels: TOML files, read tolerantly, and checked for every model that they name."""

import functools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationError

from firmware_tools.errors import InvalidInput
from firmware_tools.language import describe_error, message
from firmware_tools.text_decoding import recognise_encoding
from gateway.errors import FieldError, InvalidRequest
from gateway.labels.boxes import Box
from gateway.labels.layout import Layout, PlacedBox, find_fit_errors, place_box
from gateway.labels.models import LABEL_MODELS, LabelModel
from gateway.labels.price import PriceFormat
from gateway.validation_texts import describe_validation_error

TEMPLATE_FOLDER: Final = Path(__file__).parent / "templates"
"""The templates that the gateway brings along."""
MAX_TEMPLATE_BYTES: Final = 65536
"""No template file is larger."""
MAX_TEMPLATES: Final = 200
"""How many templates of a folder are read."""
MAX_BOXES: Final = 64
"""How many boxes a template may have."""
MAX_NAME_LENGTH: Final = 40
"""How many characters the name of a template or of a box may have."""
_MAX_ERRORS: Final = 50

_Table = dict[str, Any]


class InvalidTemplate(InvalidRequest):
    """A template file is malformed. Each field error names the file, the box and the key."""


class TemplateDoesNotFit(InvalidRequest):
    """A template cannot be used for a model of label. Each field error names the file, the box and the model."""


@dataclass(frozen=True, slots=True)
class PictureTemplate:
    """A checked template."""

    name: str
    """Its name: that of the file."""
    title: str
    """What people call it."""
    title_zh: str
    """The same in Chinese."""
    price_format: PriceFormat
    """How prices are written."""
    date_format: str
    """How dates are written; `%Y`, `%m` and `%d` stand for year, month and day."""
    layouts: Mapping[str, Layout]
    """Its boxes for each model that it fits, by the model's name."""

    def find_layout(self, model: LabelModel) -> Layout:
        """Return the boxes for a model. Raises `TemplateDoesNotFit`."""
        layout = self.layouts.get(model.name)
        if layout is None:
            reason = message(
                "the template {template} is not made for {model}; it is for {models}",
                template=self.name,
                model=model.name,
                models=", ".join(self.layouts),
            )
            raise TemplateDoesNotFit([FieldError("template", reason)])
        return layout

    def with_price_format(self, price_format: PriceFormat) -> "PictureTemplate":
        """Return the template with another currency or other decimals."""
        return replace(self, price_format=price_format)


def _normalise(table: Any) -> Any:
    """Return a table with keys as they are documented: `Font-Size` is `font_size`."""
    if not isinstance(table, dict):
        return table
    return {key.strip().lower().replace("-", "_"): value for key, value in table.items()}


_TolerantTable = Annotated[_Table, BeforeValidator(_normalise)]
_Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_LENGTH)]


class _TemplateFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(default="", max_length=100)
    title_zh: str = Field(default="", max_length=100)
    models: list[str] = Field(default=list(LABEL_MODELS), min_length=1, max_length=2 * len(LABEL_MODELS))
    price_format: Annotated[PriceFormat, BeforeValidator(_normalise)] = PriceFormat()
    date_format: str = Field(default="%Y-%m-%d", max_length=MAX_NAME_LENGTH)
    boxes: dict[_Name, _TolerantTable] = Field(min_length=1, max_length=MAX_BOXES)
    layouts: dict[str, dict[_Name, _TolerantTable]] = Field(default={}, max_length=2 * len(LABEL_MODELS))


_BOX: Final[TypeAdapter[Box]] = TypeAdapter(Box)


def load_template(path: Path) -> PictureTemplate:
    """Read a template file. Raises `InvalidTemplate` or `TemplateDoesNotFit`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_TEMPLATE_BYTES + 1)
    except OSError as exc:
        raise InvalidTemplate([FieldError(path.name, describe_error(exc))]) from exc
    return parse_template(content, path.name)


def parse_template(content: bytes, file: str) -> PictureTemplate:
    """Check the content of a template file. Raises `InvalidTemplate` or `TemplateDoesNotFit`, which name `file`."""
    read = _read(content, file)
    return _Reader(file, read).make_template()


@functools.cache
def load_included_templates() -> Mapping[str, PictureTemplate]:
    """Return the templates that the gateway brings along, by name."""
    found = (load_template(path) for path in sorted(TEMPLATE_FOLDER.glob("*.toml")))
    return MappingProxyType({template.name: template for template in found})


def _read(content: bytes, file: str) -> _TemplateFile:
    if len(content) > MAX_TEMPLATE_BYTES:
        reason = message("is larger than {limit} bytes", limit=MAX_TEMPLATE_BYTES)
        raise InvalidTemplate([FieldError(file, reason)])
    try:
        text = recognise_encoding(content, file).open(content).read()
        return _TemplateFile.model_validate(_normalise(tomllib.loads(text)))
    except InvalidInput as exc:
        raise InvalidTemplate([FieldError(file, message("is no text in UTF-8, UTF-16 or GBK"))]) from exc
    except ValidationError as exc:
        errors = [
            FieldError(f"{file}: {'.'.join(map(str, one['loc']))}", describe_validation_error(one))
            for one in exc.errors(include_url=False, include_input=False)[:_MAX_ERRORS]
        ]
        raise InvalidTemplate(errors) from exc
    except (ValueError, RecursionError) as exc:  # also of a number with too many digits
        raise InvalidTemplate([FieldError(file, message("is not valid TOML: {reason}", reason=exc))]) from exc


class _Reader:
    """Places the boxes of one file for each of its models, and collects everything that is wrong."""

    def __init__(self, file: str, read: _TemplateFile) -> None:
        self._file = file
        self._read = read
        self._invalid: dict[tuple[str, str], list[str]] = {}
        self._unfit: dict[tuple[str, str], list[str]] = {}

    def make_template(self) -> PictureTemplate:
        self._check_names()
        layouts = {name: self._place(LABEL_MODELS[name]) for name in self._read.models if name in LABEL_MODELS}
        for kind, found in ((InvalidTemplate, self._invalid), (TemplateDoesNotFit, self._unfit)):
            if found:
                raise kind(list(self._list_errors(found))[:_MAX_ERRORS])
        name = Path(self._file).stem
        return PictureTemplate(
            name=name,
            title=self._read.title or name,
            title_zh=self._read.title_zh or self._read.title or name,
            price_format=self._read.price_format,
            date_format=self._read.date_format,
            layouts=MappingProxyType(layouts),
        )

    def _check_names(self) -> None:
        sizes = {model.size for model in LABEL_MODELS.values()}
        for name in self._read.models:
            if name not in LABEL_MODELS:
                self._add(self._invalid, "models", message("{name} is not a label model", name=name[:40]))
        for size, tables in self._read.layouts.items():
            where = f"layouts.{size[:40]}"
            if size not in sizes and size not in LABEL_MODELS:
                self._add(self._invalid, where, message("is neither a size such as 212x104 nor a label model"))
            for box in tables.keys() - self._read.boxes.keys():
                self._add(self._invalid, f"{where}.{box}", message("is not a box of this template"))

    def _place(self, model: LabelModel) -> Layout:
        placed: list[PlacedBox] = []
        for name, table in self._read.boxes.items():
            merged = table
            for layer in (model.size, model.name):
                merged = {**merged, **self._read.layouts.get(layer, {}).get(name, {})}
            if merged.get("hidden") is True:
                continue
            try:
                box = _BOX.validate_python(merged)
            except ValidationError as exc:
                for one in exc.errors(include_url=False, include_input=False):
                    key = ".".join([name, *(str(part) for part in one["loc"][1:])])
                    self._add(self._invalid, key, describe_validation_error(one), model)
                continue
            if not box.hidden:
                placed.append(place_box(name, box, model))
        for error in find_fit_errors(placed, model):
            self._add(self._unfit, f"{error.box}.{error.key}", error.reason, model)
        return Layout(model, tuple(placed))

    @staticmethod
    def _add(errors: dict[tuple[str, str], list[str]], key: str, reason: str, model: LabelModel | None = None) -> None:
        errors.setdefault((key, reason), []).extend([model.name] if model else [])

    def _list_errors(self, errors: dict[tuple[str, str], list[str]]) -> Iterator[FieldError]:
        every = [name for name in self._read.models if name in LABEL_MODELS]
        for (key, reason), models in errors.items():
            where = f"{self._file}: {key}"
            yield FieldError(where if models in ([], every) else f"{where} ({', '.join(models)})", reason)

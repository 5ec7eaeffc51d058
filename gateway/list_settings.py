"""Settings that are lists, where people write them as JSON."""

import json
from typing import Any, get_args

from pydantic.fields import FieldInfo

from firmware_tools.language import message
from gateway.errors import SettingsError


def show_list_example(field: FieldInfo) -> str:
    """Return an example of a list as JSON: the one that the setting declares, else one of its choices."""
    declared = field.examples or [get_args(get_args(field.annotation)[0])[:1]]
    return json.dumps(declared[0])


def parse_list(variable: str, text: str, field: FieldInfo) -> Any:
    """Return the list that a variable of the environment holds. Raises `SettingsError`."""
    try:
        return json.loads(text)
    except ValueError as exc:
        example = show_list_example(field)
        expected = message("must be a JSON array such as {example}: {reason}", example=example, reason=exc)
        what = message("the environment: {variable} {expected}", variable=variable, expected=expected)
        raise SettingsError(what) from exc

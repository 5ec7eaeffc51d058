"""What standard output can take: JSON as UTF-8 for programs, and for people what their terminal can show."""

import io
import re
import sys
from typing import Any, Final

import click

from gateway.protocol import json_text

_UNPRINTABLE: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that steer a terminal, or the direction of writing."""


def replace_unencodable() -> None:
    """Let standard output replace the characters that its encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def make_printable(text: str) -> str:
    """Return a text from elsewhere without the characters that would steer the terminal."""
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text)


def print_json(document: Any) -> None:
    """Print a JSON document on one line, as UTF-8 whatever the terminal's encoding is.

    `?` stands for a lone surrogate, which JSON from elsewhere may hold.
    """
    click.echo(json_text.dumps(json_text.make_encodable(document)).encode())

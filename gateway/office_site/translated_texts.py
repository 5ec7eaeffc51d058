"""The texts of the head office's API reference and forms that come from declarations, for the catalogues."""

from collections.abc import Iterator

from gateway.api.docs.operations import OperationReader
from gateway.api.docs.text_format import list_units
from gateway.api.docs.translated_texts import list_operation_texts
from gateway.fleet.commands import COMMANDS
from gateway.office_site.openapi import build_office_document
from gateway.office_site.route_list import ROUTES


def list_office_texts() -> Iterator[str]:
    """Yield the texts of all calls of the API, and what the arguments of commands mean."""
    for operation in OperationReader(build_office_document(ROUTES)).read_all():
        yield from list_operation_texts(operation)
    for command in COMMANDS.values():
        for field in command.arguments.model_fields.values():
            yield from list_units(field.description or "")

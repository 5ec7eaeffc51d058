"""The OpenAPI 3.1 document of the head office's API, derived from the routes that it has."""

from collections.abc import Sequence
from typing import Any, Final

from gateway.api.general_responses import GENERAL_RULES
from gateway.api.model_schemas import build_schemas, name_enumerations
from gateway.api.operation_schemas import assemble_document, describe_route, describe_scope
from gateway.api.route import DeclaredRoute
from gateway.office_site.access import SCOPES, list_included
from gateway.office_site.response_models import MODELS

_TAG: Final = "office"


def build_office_document(routes: Sequence[DeclaredRoute[Any]]) -> dict[str, Any]:
    """Return the whole document."""
    documented = [route for route in routes if route.documented]
    paths: dict[str, Any] = {}
    for route in documented:
        scope = next((one for one in SCOPES if one == route.scope), None)
        access = describe_scope(scope, list_included(scope) if scope is not None else ())
        paths.setdefault(route.path, {})[route.method.lower()] = describe_route(route, access, _TAG)
    bodies = {route.body.__name__: route.body for route in documented if route.body is not None}
    schemas = name_enumerations({**build_schemas(bodies, "validation"), **build_schemas(MODELS, "serialization")})
    return assemble_document(
        title="SUNMI store gateway: head office",
        description="The API of a chain's head office, for the chain's own systems. " + GENERAL_RULES,
        server="This head office.",
        tags={_TAG: "The calls of the head office."},
        paths=paths,
        webhooks={},
        schemas=schemas,
    )

"""The mappings of product lists over REST: how the lists of a source are read."""

from typing import Any, Final, Literal

from aiohttp import web
from pydantic import Field

from gateway.api.bodies import Body, read_body
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.products.columns import ColumnMapping

_MAPPING: Final = "/api/v1/product-mappings/{source}"


class ProductMappingBody(Body):
    """How the lists of a source are read. What is left out is recognised."""

    columns: dict[str, str] = Field(
        default_factory=dict,
        description="The field of each heading; empty for a column that is to be ignored.",
        examples=[{"Art.-Nr.": "id", "VK brutto": "price"}],
    )
    decimal: dict[str, Literal["comma", "point"]] = Field(
        default_factory=dict, description="What stands before the decimals, by field.", examples=[{"price": "comma"}]
    )
    encoding: str | None = Field(default=None, description="The encoding.", examples=["GB18030"])
    separator: str | None = Field(default=None, description="What separates columns.", examples=[";"])
    sheet: str | None = Field(default=None, description="The sheet of a workbook.")


async def list_mappings(context: RequestContext) -> web.StreamResponse:
    """List the saved mappings."""
    mappings = await context.gateway.product_lists.mappings.list_all()
    return json_response({"mappings": [_describe_mapping(source, mapping) for source, mapping in mappings.items()]})


async def put_mapping(context: RequestContext) -> web.StreamResponse:
    """Save how the lists of a source are read."""
    source = context.request.match_info["source"]
    body = await read_body(context.request, ProductMappingBody)
    mapping = ColumnMapping.from_document(body.model_dump(exclude_none=True))
    await context.gateway.product_lists.mappings.save(source, mapping, now=int(context.gateway.clock.now()))
    return json_response(_describe_mapping(source, mapping))


async def delete_mapping(context: RequestContext) -> web.StreamResponse:
    """Forget how the lists of a source are read."""
    await context.gateway.product_lists.mappings.delete(context.request.match_info["source"])
    return web.Response(status=204)


def _describe_mapping(source: str, mapping: ColumnMapping) -> dict[str, Any]:
    empty: dict[str, Any] = {"columns": {}, "decimal": {}, "encoding": None, "separator": None, "sheet": None}
    return {"source": source, **empty, **mapping.to_document()}


ROUTES = (
    Route(
        "GET",
        "/api/v1/product-mappings",
        "List the mappings of product lists",
        list_mappings,
        "installer",
        responses={200: DeclaredResponse("The mappings.", "ProductMappings")},
    ),
    Route(
        "PUT",
        _MAPPING,
        "Save the mapping of a source of product lists",
        put_mapping,
        "installer",
        ProductMappingBody,
        {200: DeclaredResponse("The mapping.", "ProductMapping")},
    ),
    Route(
        "DELETE",
        _MAPPING,
        "Forget the mapping of a source of product lists",
        delete_mapping,
        "installer",
        responses={204: DeclaredResponse("Forgotten.")},
    ),
)

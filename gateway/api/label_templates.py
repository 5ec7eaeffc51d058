"""The templates of shelf labels over REST, and previews of what they draw."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.body_reader import read_bytes
from gateway.api.query import Query, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.errors import FieldError, InvalidRequest, UnsupportedMediaType
from gateway.labels.template import MAX_TEMPLATE_BYTES, PictureTemplate, parse_template

_TOML: Final = "application/toml"
_UNSAVED: Final = "body.toml"
"""What faults of a template in a body call its file."""


class PreviewQuery(Query):
    """What a preview shows."""

    model: str = Field(max_length=100, description="The model of label.", examples=["SL121"])
    product_id: str = Field(max_length=255, description="The product, from the shop's lists.", examples=["000417"])


async def list_label_templates(context: RequestContext) -> web.StreamResponse:
    """List the templates: those that come with the gateway, and the shop's own."""
    templates, refusals = await asyncio.to_thread(context.gateway.labels.templates.load)
    return json_response(
        {
            "templates": [await _describe_template(context, one) for _, one in sorted(templates.items())],
            "faults": [fault._asdict() for refusal in refusals for fault in refusal.field_errors],
        }
    )


async def show_label_template(context: RequestContext) -> web.StreamResponse:
    """Return the TOML of a template."""
    content = await asyncio.to_thread(context.gateway.labels.templates.read, context.request.match_info["template"])
    return web.Response(body=content, content_type=_TOML)


async def put_label_template(context: RequestContext) -> web.StreamResponse:
    """Check a template and keep it. The labels that are drawn by it are drawn again."""
    labels, name = context.gateway.labels, context.request.match_info["template"]
    content = await _read_template(context.request)
    is_new = name not in (await asyncio.to_thread(labels.templates.load))[0]
    template = await asyncio.to_thread(labels.templates.save, name, content)
    await labels.updater.note_template(name)
    return json_response(await _describe_template(context, template), 201 if is_new else 200)


async def delete_label_template(context: RequestContext) -> web.StreamResponse:
    """Delete a template of the shop. One that comes with the gateway is back then, if it has the same name."""
    await context.gateway.labels.updater.delete_template(context.request.match_info["template"])
    return web.Response(status=204)


async def preview_label_template(context: RequestContext) -> web.StreamResponse:
    """Draw a product by a template, and show it nowhere."""
    query = read_query(context.request.query, PreviewQuery)
    template = context.gateway.labels.templates.find(context.request.match_info["template"])
    return await _preview(context, template, query)


async def preview_label(context: RequestContext) -> web.StreamResponse:
    """Draw a product by the template in the body, and keep neither."""
    query = read_query(context.request.query, PreviewQuery)
    content = await _read_template(context.request)
    return await _preview(context, await asyncio.to_thread(parse_template, content, _UNSAVED), query)


async def _read_template(request: web.Request) -> bytes:
    """Return a body with a template, whatever else it says it is."""
    if request.content_type == "multipart/form-data":
        raise UnsupportedMediaType(message("send the template itself as the body, not a form"))
    return await read_bytes(request, max_bytes=MAX_TEMPLATE_BYTES)


async def _preview(context: RequestContext, template: PictureTemplate, query: PreviewQuery) -> web.Response:
    fields = await _find_fields(context, query.product_id)
    picture = await asyncio.to_thread(context.gateway.labels.updater.drawing.preview, template, query.model, fields)
    return web.Response(body=picture.png, content_type="image/png")


async def _find_fields(context: RequestContext, product_id: str) -> Mapping[str, Any]:
    product = await context.gateway.products.table.get(product_id)
    if product is None or product.wanted is None:
        reason = message("no list has the product {product_id!r}", product_id=product_id)
        raise InvalidRequest([FieldError("product_id", reason)])
    return product.wanted


async def _describe_template(context: RequestContext, template: PictureTemplate) -> dict[str, Any]:
    labels = context.gateway.labels
    return {
        "name": template.name,
        "title": template.title,
        "title_zh": template.title_zh,
        "models": list(template.layouts),
        "included": labels.templates.is_included(template.name),
        "labels": await labels.table.count_of_template(template.name),
    }


_TEMPLATES: Final = "/api/v1/label-templates"
_TEMPLATE: Final = f"{_TEMPLATES}/{{template}}"
_PICTURE: Final = {200: DeclaredResponse("The picture.", content_types=("image/png",))}

ROUTES = (
    Route(
        "GET",
        _TEMPLATES,
        "List the templates of shelf labels",
        list_label_templates,
        "pos",
        responses={200: DeclaredResponse("The templates.", "LabelTemplates")},
        etag_ignores=(),
    ),
    Route(
        "GET",
        _TEMPLATE,
        "Show a template of shelf labels",
        show_label_template,
        "pos",
        responses={200: DeclaredResponse("The template as TOML.", content_types=(_TOML,))},
        etag_ignores=(),
    ),
    Route(
        "PUT",
        _TEMPLATE,
        "Save a template of shelf labels",
        put_label_template,
        "installer",
        responses={
            200: DeclaredResponse("The template.", "LabelTemplate"),
            201: DeclaredResponse("The template, which is new.", "LabelTemplate"),
        },
        file_types=(_TOML,),
    ),
    Route(
        "DELETE",
        _TEMPLATE,
        "Delete a template of shelf labels",
        delete_label_template,
        "installer",
        responses={204: DeclaredResponse("Deleted.")},
    ),
    Route(
        "GET",
        f"{_TEMPLATE}/preview",
        "Preview a template of shelf labels",
        preview_label_template,
        "pos",
        responses=_PICTURE,
        query=PreviewQuery,
    ),
    Route(
        "POST",
        "/api/v1/label-preview",
        "Preview a template that is not saved",
        preview_label,
        "installer",
        responses=_PICTURE,
        query=PreviewQuery,
        audited=False,
        file_types=(_TOML,),
    ),
)

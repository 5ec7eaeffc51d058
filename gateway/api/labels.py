"""Shelf labels over REST: what each is to show, whether it does, and how it is."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import Field

from firmware_tools.language import message
from gateway.api.bodies import Body, begins_as_json, check_body, parse_object, read_body
from gateway.api.body_reader import read_bytes
from gateway.api.outbox import queue_call
from gateway.api.query import Query, WholeNumber, read_query
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.app import Gateway
from gateway.errors import Conflict, FieldError, InvalidRequest, NotFound, UnsupportedMediaType
from gateway.labels.label import LabelDrawer, LabelState, StoredLabel
from gateway.labels.label_health_table import LABEL_STATES
from gateway.labels.label_name import check_label_name
from gateway.products.product_table import StoredProduct
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.catalogue.cloud_labels import LED_COLOURS
from gateway.runtime.timestamps import utc_text

_PICTURE_TYPES: Final = ("image/png", "image/jpeg")
_PICTURE_BEGINNINGS: Final = (b"\x89PNG\r\n", b"\xff\xd8\xff")
_STATUSES: Final = ("not_activated", "not_bound", "waiting_for_data", "pushed", "push_failed")
"""What the vendor's states mean, by their numbers."""
_MAX_PAGE: Final = 500
_FLASH: Final = CATALOGUE.get("cloud", "device/esl/flashLed")
_COLOURS: Final = {one.meaning: one.value for one in LED_COLOURS}

LedColour = Literal["white", "blue", "green", "red", "cyan", "purple", "yellow"]


class LabelBody(Body):
    """What a label is to show: a product by a template. A PNG or JPEG as the body is shown as a picture."""

    product_id: str | None = Field(
        default=None, max_length=255, description="The product. Not needed where the vendor draws.", examples=["000417"]
    )
    template: str = Field(
        default="price",
        max_length=100,
        description="The template by which it is drawn: a name that `/api/v1/label-templates` lists.",
        examples=["price"],
    )
    model: str | None = Field(
        default=None,
        max_length=100,
        description="The model of the label. Left out: as before, or as the cloud says it.",
        examples=["SL121"],
    )
    drawn_by: LabelDrawer = Field(
        default="gateway",
        description="`vendor` if a template at the vendor's site draws it, so that the gateway stays away.",
    )


class LabelQuery(Query):
    """How a picture is shown."""

    model: str | None = Field(
        default=None,
        max_length=100,
        description="The model of the label, where the body is a picture. Left out: as before.",
        examples=["SL121"],
    )


class LabelsQuery(Query):
    """Which labels are listed."""

    search: str = Field(
        default="",
        max_length=100,
        description="Only labels with this in code or id, or in number or name of the product.",
    )
    state: LabelState | None = Field(default=None, description="Only labels in this state.")
    limit: WholeNumber = Field(default=50, ge=1, le=_MAX_PAGE, description="How many labels a page has at most.")
    after: WholeNumber = Field(
        default=0, ge=0, le=10**18, description="Only labels behind this one: `next` of the page before."
    )


class FlashBody(Body):
    """How a label flashes."""

    colour: LedColour = Field(default="green", description="The colour of its light.")
    flashes: int = Field(default=8, ge=1, le=255, description="How often it flashes.")


async def put_label(context: RequestContext) -> web.StreamResponse:
    """Have a label show a product, or a picture, from now on."""
    query = read_query(context.request.query, LabelQuery)
    name = check_label_name(context.request.match_info["esl"])
    updater = context.gateway.labels.updater
    is_known = await context.gateway.label_table.get(name) is not None
    raw = await read_bytes(context.request)
    if context.request.content_type in _PICTURE_TYPES or raw.startswith(_PICTURE_BEGINNINGS):
        label = await updater.show_picture(name, raw, model=query.model or "")
    else:
        body = _read_label_body(raw)
        if query.model is not None:
            raise InvalidRequest([FieldError("model", message("stands in the body, where that is JSON"))])
        if body.drawn_by == "vendor":
            label = await updater.leave_to_vendor(name)
        elif not body.product_id:
            raise InvalidRequest([FieldError("product_id", message("is required, unless the vendor draws the label"))])
        else:
            label = await updater.show_product(
                name, product_id=body.product_id, template=body.template, model=body.model or ""
            )
    [document] = await describe_labels(context.gateway, [label])
    return json_response(document, 200 if is_known else 201)


def _read_label_body(raw: bytes) -> LabelBody:
    """Read what is no picture."""
    if not begins_as_json(raw):
        raise UnsupportedMediaType(message("the body must be a JSON object in UTF-8, or a PNG or JPEG picture"))
    return check_body(parse_object(raw), LabelBody)


async def list_labels(context: RequestContext) -> web.StreamResponse:
    """List labels in the order in which they were first stored, a page at a time."""
    query = read_query(context.request.query, LabelsQuery)
    table = context.gateway.label_table
    states = () if query.state is None else (query.state,)
    labels, next_number = await table.search(query.search, states=states, after=query.after, limit=query.limit)
    counts = await table.count()
    return json_response(
        {
            "labels": await describe_labels(context.gateway, labels),
            "next": next_number,
            "counts": {state: counts.get(state, 0) for state in LABEL_STATES},
        }
    )


async def show_label(context: RequestContext) -> web.StreamResponse:
    """Show one label: what it is to show, whether it does, and what the cloud says of it."""
    [document] = await describe_labels(context.gateway, [await _find_label(context)])
    return json_response(document)


async def delete_label(context: RequestContext) -> web.StreamResponse:
    """Forget a label. What it shows stays on it, and it stays bound to the shop at the cloud."""
    await context.gateway.labels.updater.delete(context.request.match_info["esl"])
    return web.Response(status=204)


async def show_label_picture(context: RequestContext) -> web.StreamResponse:
    """Show the picture of a label: the newest, whether it shows that already or not."""
    label = await _find_label(context)
    picture = await context.gateway.label_table.get_picture(label.number)
    if picture is None:
        reason = label.problem or message("it is not drawn yet")
        raise NotFound(message("there is no picture of the label {name!r}: {reason}", name=label.name, reason=reason))
    return web.Response(body=picture, content_type="image/png")


async def flash_label(context: RequestContext) -> web.StreamResponse:
    """Have a label flash, so that a person finds it; within a minute, or not at all."""
    body = await read_body(context.request, FlashBody)
    label = await _find_label(context)
    if not label.esl_id:
        reason = label.problem or message("the cloud could not be asked yet; try again when it is reached")
        raise Conflict(message("it is not known which label {name!r} is: {reason}", name=label.name, reason=reason))
    arguments = {"esl_id": label.esl_id, "channel": _COLOURS[body.colour], "duration": body.flashes}
    response = await queue_call(context, _FLASH.encode(arguments, defaults=context.gateway.settings.cloud.shop))
    return web.Response(status=204) if response.status == 200 else response


async def push_label(context: RequestContext) -> web.StreamResponse:
    """Push the picture of a label again, though it shows it already."""
    label = await context.gateway.labels.updater.push(context.request.match_info["esl"])
    [document] = await describe_labels(context.gateway, [label])
    return json_response(document, 202)


async def verify_label(context: RequestContext) -> web.StreamResponse:
    """Ask a label whether it shows what it should; push again what failed."""
    return json_response(
        {"labels": await context.gateway.labels.updater.verify(context.request.match_info["esl"])}, 202
    )


async def verify_labels(context: RequestContext) -> web.StreamResponse:
    """Ask all labels whether they show what they should; push again what failed."""
    return json_response({"labels": await context.gateway.labels.updater.verify()}, 202)


async def _find_label(context: RequestContext) -> StoredLabel:
    return await context.gateway.labels.updater.get(context.request.match_info["esl"])


async def describe_labels(gateway: Gateway, labels: Sequence[StoredLabel]) -> list[dict[str, Any]]:
    """Return labels as JSON, with names and prices of their products."""
    products = await gateway.products.table.get_many([label.product_id for label in labels if label.product_id])
    return [_describe_label(label, products.get(label.product_id)) for label in labels]


def _describe_label(label: StoredLabel, product: StoredProduct | None) -> dict[str, Any]:
    wanted = None if product is None else product.wanted
    problem = label.problem
    if not problem and label.content == "product" and wanted is None:
        problem = message("no list has the product {product_id!r}", product_id=label.product_id)
    price = None if wanted is None else wanted.get("price")
    return {
        "esl": label.name,
        "esl_id": label.esl_id or None,
        "esl_code": label.esl_code or None,
        "model": label.model or None,
        "drawn_by": "vendor" if label.content == "vendor" else "gateway",
        "product_id": label.product_id or None,
        "product_name": product.name if product is not None else None,
        "price": None if price is None else str(price),
        "template": label.template or None,
        "state": label.state,
        "problem": problem,
        "reports": [dict(report) for report in label.reports],
        "picture_hash": label.pixel_hash or None,
        "outbox_id": None if label.item is None else str(label.item),
        "changed_at": utc_text(label.changed_at),
        "pushed_at": _write_time(label.pushed_at),
        "shown_at": _write_time(label.shown_at),
        "valid_until": _write_time(label.valid_until),
        "reading": _describe_reading(label.reading) if label.reading else None,
    }


def _describe_reading(reading: Mapping[str, Any]) -> dict[str, Any]:
    status = reading.get("status")
    return {
        "status": _STATUSES[status] if isinstance(status, int) and 0 <= status < len(_STATUSES) else None,
        **{name: reading.get(name) for name in ("battery", "rssi", "ap_id", "esl_sn", "model_name")},
        "contact_at": _write_time(reading.get("contact_at")),
        "read_at": _write_time(reading.get("read_at")),
    }


def _write_time(time: int | None) -> str | None:
    return None if time is None else utc_text(time)


_LABELS: Final = "/api/v1/labels"
_LABEL: Final = f"{_LABELS}/{{esl}}"
_VERIFIED: Final = {202: DeclaredResponse("They are asked; `state` says how far each is.", "VerifiedLabels")}

ROUTES = (
    Route(
        "GET",
        _LABELS,
        "List shelf labels",
        list_labels,
        "pos",
        responses={200: DeclaredResponse("The labels of this page.", "LabelPage")},
        query=LabelsQuery,
        etag_ignores=(),
    ),
    Route(
        "GET",
        _LABEL,
        "Show a shelf label",
        show_label,
        "pos",
        responses={200: DeclaredResponse("The label.", "Label")},
        etag_ignores=(),
    ),
    Route(
        "PUT",
        _LABEL,
        "Choose what a shelf label shows",
        put_label,
        "pos",
        LabelBody,
        {
            200: DeclaredResponse("The label. It is drawn and pushed next.", "Label"),
            201: DeclaredResponse("The label, which is new. It is drawn and pushed next.", "Label"),
        },
        query=LabelQuery,
        file_types=_PICTURE_TYPES,
    ),
    Route(
        "DELETE",
        _LABEL,
        "Forget a shelf label",
        delete_label,
        "pos",
        responses={204: DeclaredResponse("Forgotten. What it shows stays on it.")},
    ),
    Route(
        "GET",
        f"{_LABEL}/picture",
        "Show the picture of a shelf label",
        show_label_picture,
        "pos",
        responses={200: DeclaredResponse("The picture.", content_types=("image/png",))},
        etag_ignores=(),
    ),
    Route(
        "POST",
        f"{_LABEL}/flash",
        "Have a shelf label flash",
        flash_label,
        "pos",
        FlashBody,
        {
            204: DeclaredResponse("The cloud has taken it."),
            202: DeclaredResponse(
                "The cloud is away. It is sent if that is back within a minute.", "AcceptedCall", headers=("Location",)
            ),
        },
    ),
    Route(
        "POST",
        f"{_LABEL}/push",
        "Push the picture of a shelf label again",
        push_label,
        "pos",
        responses={202: DeclaredResponse("The label. Its picture is pushed next.", "Label")},
    ),
    Route(
        "POST", f"{_LABEL}/verify", "Ask a shelf label whether it is right", verify_label, "pos", responses=_VERIFIED
    ),
    Route(
        "POST",
        "/api/v1/label-verification",
        "Ask all shelf labels whether they are right",
        verify_labels,
        "pos",
        responses=_VERIFIED,
    ),
)

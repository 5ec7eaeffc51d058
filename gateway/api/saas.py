"""The shop's products for the vendor's cloud, which fetches them page by page (Product APIs, chapter 5).

The vendor documents neither how it shows who it is nor how often it asks. So its calls are signed as its callbacks
are; or they come from addresses, or to a path with a secret, that the settings name. What it is told is in its format.
"""

import hmac
import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from aiohttp import web

from firmware_tools.language import describe_error, message
from gateway.api.bodies import ProductFetchForm
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.api.signed_form import check_form_head, read_form
from gateway.errors import Conflict, FieldError, InvalidRequest, Problem, StateError, TooLarge, Unauthorized
from gateway.product_settings import ProductSettings
from gateway.protocol.return_codes import CLOUD_SIGN_REFUSED

MAX_BODY_BYTES: Final = 16 * 1024
MAX_PAGE_SIZE: Final = 1000
_INVALID: Final = 5022
_UNAVAILABLE: Final = 5000
_WRONG_SHOP: Final = 5041
_NUMBER: Final = re.compile("[1-9][0-9]{0,8}")

_log = logging.getLogger(__name__)


async def fetch_products(context: RequestContext) -> web.StreamResponse:
    """Return a page of the shop's products."""
    try:
        return await _respond(context)
    except Unauthorized as exc:
        return _refuse(CLOUD_SIGN_REFUSED, exc.detail, 401)
    except _OtherShop as exc:
        return _refuse(_WRONG_SHOP, exc.detail)
    except (InvalidRequest, TooLarge, Conflict) as exc:
        return _refuse(_INVALID, exc.detail)
    except Problem as exc:
        return _refuse(_UNAVAILABLE, exc.detail)
    except StateError as exc:
        _log.error("the vendor's cloud cannot be told the products: %s", exc)
        return _refuse(_UNAVAILABLE, describe_error(exc))


class _OtherShop(Conflict):
    """The products of another shop are asked for, or of one that the settings do not name."""


async def _respond(context: RequestContext) -> web.StreamResponse:
    request = context.request
    settings = context.gateway.settings.products
    _check_place(request, settings)
    check_form_head(request, max_bytes=MAX_BODY_BYTES)
    if is_signed := not (settings.vendor_addresses or settings.vendor_token):
        context.gateway.callbacks.check_sender("cloud")
    fields = await read_form(request, max_bytes=MAX_BODY_BYTES)
    if is_signed:
        context.gateway.callbacks.authenticate("cloud", fields)
    number, size = _read_number(fields, "page_num"), _read_number(fields, "page_size", max_value=MAX_PAGE_SIZE)
    _check_shop(context, fields)
    total, rows = await context.gateway.products.snapshots.read_page(request.remote or "", number, size)
    if number == 1:
        _log.info("the vendor's cloud fetches the list of %d products", total)
    body = b'{"code":0,"msg":"succeed","data":{"total":%d,"product_list":[%b]}}' % (total, b",".join(rows))
    return web.Response(body=body, content_type="application/json")


def _check_place(request: web.Request, settings: ProductSettings) -> None:
    """Check address and path, as far as the settings name any. Raises `Unauthorized`."""
    if settings.vendor_addresses:
        # A proxy's address says nothing of who has called it.
        is_passed_on = "Forwarded" in request.headers or "X-Forwarded-For" in request.headers
        if is_passed_on or not settings.allows_address(request.remote or ""):
            raise Unauthorized(
                message(
                    "the products are not for {address}: products.vendor_addresses names who may fetch them",
                    address=request.remote or "-",
                )
            )
    given = request.match_info.get("token", "")
    if not hmac.compare_digest(given.encode("utf-8", "replace"), settings.vendor_token.encode()):
        raise Unauthorized(message("the secret at the end of the path is not right: see products.vendor_token"))


def _read_number(fields: Mapping[str, str], name: str, *, max_value: int = 10**9 - 1) -> int:
    text = fields.get(name, "")
    if not text:
        raise InvalidRequest([FieldError(name, message("is required"))])
    if not _NUMBER.fullmatch(text) or int(text) > max_value:
        raise InvalidRequest([FieldError(name, message("must be a whole number from 1 to {max}", max=max_value))])
    return int(text)


def _check_shop(context: RequestContext, fields: Mapping[str, str]) -> None:
    cloud = context.gateway.settings.cloud
    given = fields.get("shop_id", "")
    if not given:
        raise InvalidRequest([FieldError("shop_id", message("is required"))])
    if given not in {cloud.shop_id, cloud.sunmi_shop_no}:
        raise _OtherShop(message("this gateway has no products of the shop {shop}: see cloud.shop_id", shop=given[:64]))


def _refuse(code: int, reason: str, status: int = 200) -> web.StreamResponse:
    """Return a refusal in the vendor's format, whose HTTP status is 200 unless it does not know who calls."""
    return json_response({"code": code, "msg": reason, "data": {}}, status)


def make_route(settings: ProductSettings) -> Route:
    """Return the route as the settings want it."""
    [route] = ROUTES
    return replace(route, path=settings.vendor_path + ("/{token}" if settings.vendor_token else ""))


ROUTES = (
    Route(
        "POST",
        ProductSettings().vendor_path,
        "Where the vendor's cloud fetches the shop's products",
        fetch_products,
        None,
        form=ProductFetchForm,
        responses={
            200: DeclaredResponse("The page; with another `code` than 0 why there is none.", "FetchedProducts"),
            401: DeclaredResponse("It is not the vendor who asks.", "FetchedProducts"),
        },
        any_query=True,
    ),
)

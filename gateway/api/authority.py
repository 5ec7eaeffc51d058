"""The root certificate of the gateway's authority, and a page that explains how to install it on tills.

All of it is public and served over plain HTTP too, since it is needed before HTTPS can be trusted.
"""

from typing import TYPE_CHECKING, Any

from aiohttp import web
from yarl import URL

from firmware_tools.language import message
from gateway.api import authority_page
from gateway.api.route import DeclaredResponse, RequestContext, Route, json_response
from gateway.app import Gateway
from gateway.authority.certificate_names import find_certificate_names
from gateway.errors import NotFound
from gateway.runtime.timestamps import utc_text
from gateway.storage.state_directory import StateDirectory

if TYPE_CHECKING:
    from gateway.authority.authority import Authority

PAGE = "/authority"


async def show_authority(context: RequestContext) -> web.StreamResponse:
    """Return the authority's fingerprint, the names and addresses that it certifies, and the address of its page."""
    return json_response(_describe(context.gateway))


async def authority_install_page(context: RequestContext) -> web.StreamResponse:
    """Return the page that explains how to install the root."""
    return web.Response(text=authority_page.render(_describe(context.gateway)), content_type="text/html")


async def authority_der(context: RequestContext) -> web.StreamResponse:
    """Return the root as DER, with the content type for which browsers and phones offer to install it."""
    return web.Response(body=_require_authority(context.gateway).root_der, content_type="application/x-x509-ca-cert")


async def authority_pem(context: RequestContext) -> web.StreamResponse:
    """Return the root as a PEM file to save."""
    headers = {"Content-Disposition": 'attachment; filename="authority.pem"'}
    body = _require_authority(context.gateway).root_pem
    return web.Response(body=body, headers=headers, content_type="application/x-pem-file")


def _require_authority(gateway: Gateway) -> "Authority":
    if gateway.authority is None:
        has_own = bool(gateway.settings.server.tls_certificate)
        reason = message("is off (server.https_port)")
        if has_own:
            reason = message("uses the shop's own certificate (server.tls_certificate)")
        raise NotFound(message("the gateway has no authority of its own: HTTPS {reason}", reason=reason))
    return gateway.authority


def _describe(gateway: Gateway) -> dict[str, Any]:
    authority = _require_authority(gateway)
    names, uncovered = authority.split_permitted(find_certificate_names(gateway.settings, gateway.advertisement.host))
    http_port = URL(StateDirectory.load_address(gateway.directory.path)).port or gateway.settings.server.port
    leaf = authority.leaf
    return {
        "name": authority.name,
        "certificate_sha256": authority.fingerprint,
        "expires_at": utc_text(authority.expires_at.timestamp()),
        "names": names.hosts,
        "addresses": names.addresses,
        "not_covered": uncovered,
        "leaf_expires_at": utc_text(leaf.certificate.not_valid_after_utc.timestamp()) if leaf is not None else None,
        "urls": [_url("https", host, gateway.settings.server.https_port) for host in (*names.hosts, *names.addresses)],
        # By address first, since some phones cannot resolve .local names.
        "page": _url("http", (*names.addresses, *names.hosts)[0], http_port) + PAGE.removeprefix("/"),
        "file": str(authority.path),
    }


def _url(scheme: str, host: str, port: int) -> str:
    return str(URL.build(scheme=scheme, host=host, port=port, path="/"))


ROUTES = (
    Route("GET", PAGE, "How a till comes to trust the gateway's HTTPS", authority_install_page, None,
          responses={200: DeclaredResponse("The page.", content_types=("text/html",))}),
    Route("GET", f"{PAGE}.crt", "The authority's certificate, to be installed on tills (DER)", authority_der, None,
          responses={200: DeclaredResponse("The certificate.", content_types=("application/x-x509-ca-cert",))}),
    Route("GET", f"{PAGE}.pem", "The authority's certificate as PEM", authority_pem, None,
          responses={200: DeclaredResponse("The certificate.", content_types=("application/x-pem-file",))}),
    Route("GET", "/api/v1/authority", "The authority's fingerprint, names and addresses", show_authority, "pos",
          responses={200: DeclaredResponse("The authority.", "Authority")}),
)  # fmt: skip

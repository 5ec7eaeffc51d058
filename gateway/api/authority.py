"""How tills come to trust the HTTPS port: the root of the gateway's authority, and a page that tells how to install it.

All of it is public and served over plain HTTP too, since it is needed before HTTPS can be trusted.
"""

from typing import TYPE_CHECKING, Any

from aiohttp import web
from yarl import URL

from gateway.api import authority_page
from gateway.api.route import RequestContext, Route, json_response
from gateway.app import Gateway
from gateway.authority.names import present_names
from gateway.errors import NotFound
from gateway.runtime.timestamps import utc_text
from gateway.storage.state_directory import StateDirectory

if TYPE_CHECKING:
    from gateway.authority.authority import Authority

PAGE = "/authority"


async def show_authority(context: RequestContext) -> web.StreamResponse:
    """Tell the authority's fingerprint, the names and addresses that it certifies, and where its page is."""
    return json_response(_describe(context.gateway))


async def authority_install_page(context: RequestContext) -> web.StreamResponse:
    """Return the page that tells how to install the root."""
    return web.Response(text=authority_page.page(_describe(context.gateway)), content_type="text/html")


async def authority_der(context: RequestContext) -> web.StreamResponse:
    """Return the root as DER, with the type upon which browsers and phones offer to install it."""
    return web.Response(body=_authority(context.gateway).root_der, content_type="application/x-x509-ca-cert")


async def authority_pem(context: RequestContext) -> web.StreamResponse:
    """Return the root as PEM, to be saved."""
    headers = {"Content-Disposition": 'attachment; filename="authority.pem"'}
    body = _authority(context.gateway).root_pem
    return web.Response(body=body, headers=headers, content_type="application/x-pem-file")


def _authority(gateway: Gateway) -> "Authority":
    if gateway.authority is None:
        own = bool(gateway.settings.server.tls_certificate)
        reason = (
            "uses a certificate of the shop's own (server.tls_certificate)" if own else "is off (server.https_port)"
        )
        raise NotFound(f"the gateway has no authority of its own: HTTPS {reason}")
    return gateway.authority


def _describe(gateway: Gateway) -> dict[str, Any]:
    authority = _authority(gateway)
    names, others = authority.cover(present_names(gateway.settings, gateway.advertisement.host))
    served = URL(StateDirectory.announced(gateway.directory.path)).port or gateway.settings.server.port
    leaf = authority.leaf
    return {
        "name": authority.name,
        "certificate_sha256": authority.fingerprint,
        "expires_at": utc_text(authority.expires_at.timestamp()),
        "names": names.hosts,
        "addresses": names.addresses,
        "not_covered": others,
        "leaf_expires_at": utc_text(leaf.certificate.not_valid_after_utc.timestamp()) if leaf is not None else None,
        "urls": [_url("https", host, gateway.settings.server.https_port) for host in (*names.hosts, *names.addresses)],
        # By address: some phones that shall open it know no .local names.
        "page": _url("http", (*names.addresses, *names.hosts)[0], served) + PAGE.removeprefix("/"),
        "file": str(authority.path),
    }


def _url(scheme: str, host: str, port: int) -> str:
    return str(URL.build(scheme=scheme, host=host, port=port, path="/"))


ROUTES = (
    Route("GET", PAGE, "How a till comes to trust the gateway's HTTPS", authority_install_page, None),
    Route("GET", f"{PAGE}.crt", "The authority's certificate, to be installed on tills (DER)", authority_der, None),
    Route("GET", f"{PAGE}.pem", "The authority's certificate as PEM", authority_pem, None),
    Route("GET", "/api/v1/authority", "The authority's fingerprint, names and addresses", show_authority, "pos"),
)

"""Every call of the head office's API, in the order of the reference."""

from functools import cache
from typing import Any, Final

from gateway.office_site import api_access, api_changes, api_shops, audit_pages, metrics
from gateway.office_site.site import OfficeRoute

ROUTES: Final[tuple[OfficeRoute, ...]] = (
    *api_shops.ROUTES,
    *api_changes.ROUTES,
    *api_access.ROUTES,
    *audit_pages.ROUTES,
    *metrics.ROUTES,
)
"""All of them."""


@cache
def load_document() -> dict[str, Any]:
    """Return the OpenAPI document of these calls. It takes time and memory, and most processes do without it."""
    from gateway.office_site.openapi import build_office_document

    return build_office_document(ROUTES)

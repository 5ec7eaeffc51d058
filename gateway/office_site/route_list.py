"""Every call of the head office's API, in the order of the reference."""

from typing import Final

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

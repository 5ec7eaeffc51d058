"""Which module holds which routes of the REST API, so that it is imported when one of them is asked for."""

import importlib
from collections.abc import Sequence
from typing import Final

from gateway.api import system, vendor
from gateway.api.route import Route

EAGER_ROUTES: Final[tuple[Route, ...]] = (*system.ROUTES, *vendor.ROUTES)
"""What every gateway is asked for: its health, and the calls of tills."""

LAZY_MODULES: Final = {
    "docs.routes": ("/docs", "/openapi.json"),
    "tokens": ("/api/v1/tokens", "/api/v1/pairing-codes"),
    "authority": ("/api/v1/authority", "/authority", "/authority.crt", "/authority.pem"),
    "metrics": ("/metrics",),
    "cameras": ("/api/v1/cameras", "/api/v1/discovery"),
    "video": ("/api/v1/cameras",),
    "hotspots": ("/api/v1/hotspots",),
    "site_plan": ("/api/v1/site-plan",),
    "site_plan_sheet": ("/api/v1/site-plan",),
    "demonstration": ("/api/v1/demonstration",),
    "outbox": ("/api/v1/outbox",),
    "products": ("/api/v1/products", "/api/v1/product-reconciliation"),
    "product_mappings": ("/api/v1/product-mappings",),
    "labels": ("/api/v1/labels", "/api/v1/label-verification"),
    "label_templates": ("/api/v1/label-templates", "/api/v1/label-preview"),
    "flow": ("/api/v1/flow",),
    "events": ("/api/v1/events",),
    "hooks": ("/hooks",),
    "subscriptions": ("/api/v1/hooks",),
    "webhooks": ("/api/v1/webhooks",),
    "doctor": ("/api/v1/doctor",),
    "audit": ("/api/v1/audit",),
}
"""The modules of all other routes, and with what the paths of each begin, in the order of the reference."""


SAAS_MODULE: Final = "saas"
"""The module with the route whose path the settings choose."""


def load_routes(module: str) -> Sequence[Route]:
    """Import a module of `LAZY_MODULES`, and return its routes."""
    routes: Sequence[Route] = importlib.import_module(f"gateway.api.{module}").ROUTES
    return routes


def list_routes() -> tuple[Route, ...]:
    """Return every route. Imports all modules."""
    lazy = [route for module in (*LAZY_MODULES, SAAS_MODULE) for route in load_routes(module)]
    return (*system.ROUTES, *lazy, *vendor.ROUTES)

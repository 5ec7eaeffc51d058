"""`/metrics`: the chain as Prometheus reads it."""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.api.metrics import CONTENT_TYPE, Family
from gateway.api.route import DeclaredResponse
from gateway.office.shop_facts import ShopHealth
from gateway.office_site.chain_view import ChainView
from gateway.office_site.site import OfficeRequest, OfficeRoute
from gateway.runtime.supervisor import Supervisor

MAX_VERSIONS: Final = 100
"""How many versions are counted apart: shops decide what they say."""


class _Chain(Collector):
    """What is known of the chain; made for one response."""

    def __init__(self, view: ChainView, supervisor: Supervisor) -> None:
        self._view = view
        self._supervisor = supervisor

    def collect(self) -> Iterable[Family]:
        """Yield every metric."""
        view = self._view
        yield InfoMetricFamily("sunmi_office_build", "What runs here.", {"version": __version__})
        yield _gauge("picture_age_seconds", "How old the picture of the shops is.", view.age_s)
        yield _gauge("servers", "Servers of the chain that answer.", 0 if view.is_old else view.shops.servers)
        yield _gauge("servers_expected", "Servers of the chain.", view.shops.servers_expected)
        yield _gauge(
            "servers_with_wrong_clock", "Those whose clocks differ from most of them.", len(view.shops.wrong_clocks)
        )
        troubles = {one.server for one in view.shops.server_troubles}
        well = {place.name: int(not view.is_old and place.name not in troubles) for place in view.plan.places}
        yield self._count("server_up", "Whether a server of the chain answers, and stores.", "server", well)
        yield from self._describe_shops()
        yield self._count("rollouts", "Roll-outs by state.", "state", Counter(one.state for one in view.rollouts))
        outcomes: Counter[str] = Counter()
        for one in view.rollouts:
            if one.state == "running":
                outcomes.update({str(outcome): count for outcome, count in one.outcomes.items()})
        yield self._count("rollout_shops", "Shops of running roll-outs by outcome.", "outcome", outcomes)
        events = CounterMetricFamily("sunmi_office_events", "Events of all shops since the start.", labels=("type",))
        for kind, count in view.events.counts.items():
            events.add_metric((kind,), count)
        yield events
        up = GaugeMetricFamily("sunmi_office_service_up", "Whether a service works.", labels=("service",))
        for report in self._supervisor.reports():
            if report.kind == "service":
                up.add_metric((report.name,), report.state == "running")
        yield up

    def _describe_shops(self) -> Iterable[Family]:
        view = self._view
        shops = [one for one in view.shops if one.health is not ShopHealth.RETIRED]
        counts = view.shops.counts()
        yield self._count("shops", "Shops by state.", "state", {health.value: counts[health] for health in ShopHealth})
        versions = Counter(one.version for one in shops if one.version).most_common(MAX_VERSIONS)
        yield self._count("shop_versions", "Shops by the version of their gateway.", "version", dict(versions))
        yield _gauge("cameras", "Managed cameras of all shops.", sum(one.cameras for one in shops))
        offline = sum(one.cameras_offline for one in shops)
        yield _gauge("cameras_offline", "Those of them that do not answer.", offline)
        yield _gauge("outbox_items", "Calls that wait for the cloud in all shops.", sum(one.waiting for one in shops))
        ages = [one.oldest_waiting_s for one in shops if one.oldest_waiting_s is not None]
        yield _gauge(
            "outbox_oldest_age_seconds", "How long the oldest has waited, as last reported.", max(ages, default=0)
        )
        away = [one.since for one in shops if one.health is ShopHealth.AWAY and one.since is not None]
        longest = view.clock.now() - datetime.fromisoformat(min(away)).timestamp() if away else 0.0
        yield _gauge("away_longest_seconds", "How long the shop is away that is away the longest.", max(0.0, longest))

    @staticmethod
    def _count(name: str, text: str, label: str, counts: dict[str, int] | Counter[str]) -> Family:
        family = GaugeMetricFamily(f"sunmi_office_{name}", text, labels=(label,))
        for value, count in counts.items():
            family.add_metric((value,), count)
        return family


async def show_metrics(context: OfficeRequest) -> web.StreamResponse:
    """Return every metric in Prometheus' text format."""
    headers = {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}
    return web.Response(body=render_metrics(context.view, context.site.supervisor), headers=headers)


def render_metrics(view: ChainView, supervisor: Supervisor) -> bytes:
    """Return every metric in Prometheus' text format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Chain(view, supervisor))
    ProcessCollector(registry=registry)
    return generate_latest(registry)


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sunmi_office_{name}", text, value=value)


ROUTES: Final = (
    OfficeRoute("GET", "/metrics", "Metrics of the chain for Prometheus", show_metrics, "view",
                responses={200: DeclaredResponse("Prometheus' text format.", content_types=("text/plain",))}),
)  # fmt: skip

"""`/metrics`: what Prometheus reads, the growing metrics and the gateway's present state."""

import ipaddress
import shutil
import time
from collections import Counter as Tally
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.api.auth import token_authenticator
from gateway.api.readings import try_read
from gateway.api.route import DeclaredResponse, RequestContext, Route
from gateway.api.stream import STREAM
from gateway.labels.label_health_table import PROBLEM_KINDS, LabelHealth, find_health
from gateway.outbox.model import Stats
from gateway.runtime.metrics import BUCKETS_S, Metrics

if TYPE_CHECKING:
    from gateway.app import Gateway  # the head office has metrics, too, and no gateway
    from gateway.fleet.link import LinkStatus

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

Family = GaugeMetricFamily | CounterMetricFamily | InfoMetricFamily


class _Counts(Collector):
    """What has been counted since the start."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[CounterMetricFamily | HistogramMetricFamily | SummaryMetricFamily]:
        """Yield every metric."""
        metrics = self._metrics
        meaning = "Calls to cameras and to the cloud, by result."
        calls = CounterMetricFamily("sunmi_gateway_calls", meaning, labels=("side", "endpoint", "result"))
        for call, count in metrics.calls.items():
            calls.add_metric(call, count.value, count.since)
        yield calls
        name, labels = "sunmi_gateway_call_duration_seconds", ("side", "endpoint")
        durations = HistogramMetricFamily(name, "How long calls to cameras and to the cloud took.", labels=labels)
        for key, took in metrics.durations.items():
            buckets = zip((*map(str, BUCKETS_S), "+Inf"), accumulate(took.buckets), strict=True)
            durations.add_metric(key, list(buckets), took.sum_s)
            durations.add_sample(f"{name}_created", dict(zip(labels, key, strict=True)), took.since)
        yield durations
        events = CounterMetricFamily(
            "sunmi_gateway_events", "Events recorded in the event log.", labels=("source", "type")
        )
        for event, count in metrics.events.items():
            events.add_metric(event, count.value, count.since)
        yield events
        pictures = CounterMetricFamily("sunmi_gateway_label_pictures", "Pictures of shelf labels.", labels=("step",))
        for step, count in metrics.label_pictures.items():
            pictures.add_metric((step,), count.value, count.since)
        yield pictures
        meaning = "How long labels took to show pictures that the cloud had taken."
        shown = metrics.label_pictures["shown"].value
        yield SummaryMetricFamily(
            "sunmi_gateway_label_confirmation_seconds",
            meaning,
            count_value=shown,
            sum_value=metrics.label_confirmation_s,
        )


class _State(Collector):
    """The present state as metrics; made for one response. What cannot be read is left out."""

    def __init__(self, gateway: "Gateway", outbox: Stats | None, readers: int, labels: LabelHealth | None) -> None:
        self._gateway = gateway
        self._outbox = outbox
        self._readers = readers
        self._labels = labels

    def collect(self) -> Iterable[Family]:
        """Yield every metric."""
        gateway = self._gateway
        yield InfoMetricFamily("sunmi_gateway_build", "What runs here.", {"version": __version__})
        yield _gauge("uptime_seconds", "Since the gateway started.", time.monotonic() - gateway.started_at)
        yield from self._cloud()
        yield self._cameras()
        yield _gauge("outbox_items", "Items that wait for the cloud.", gateway.outbox.depth)
        if self._outbox is not None:
            age_s = self._outbox.oldest_age_s or 0
            yield _gauge("outbox_oldest_age_seconds", "How long the oldest has waited.", age_s)
        yield _gauge("event_stream_readers", "Readers of the event stream that have caught up.", self._readers)
        yield self._webhooks()
        if self._gateway.fleet_link is not None:
            yield from _describe_link(self._gateway.fleet_link.status())
        if self._labels is not None:
            yield from _describe_labels(self._labels)
        yield from self._collect_tasks()
        yield CounterMetricFamily(
            "sunmi_gateway_commits", "Transactions of the database.", value=gateway.database.commits
        )
        yield from self._disk()

    def _disk(self) -> Iterable[Family]:
        path = self._gateway.database.path
        with suppress(OSError):
            volatile = self._gateway.directory.volatile_mount is not None
            yield _gauge("state_volatile", "Whether the state is on a file system that a restart empties.", volatile)
        with suppress(OSError):
            yield _gauge("database_bytes", "Size of the database's file.", path.stat().st_size)
        with suppress(OSError):
            free_bytes = shutil.disk_usage(path.parent).free
            yield _gauge("disk_free_bytes", "Room on the disk that holds the state.", free_bytes)

    def _cloud(self) -> Iterable[Family]:
        cloud = self._gateway.cloud
        if cloud.reachable is not None:  # nobody has asked it yet
            yield _gauge("cloud_reachable", "Whether the last call reached the cloud.", cloud.reachable)
        if (offset_s := cloud.clock.offset_s) is not None:
            yield _gauge("clock_offset_seconds", "How far the cloud's clock is ahead of this machine's.", offset_s)

    def _cameras(self) -> Family:
        family = GaugeMetricFamily("sunmi_gateway_cameras", "Cameras by state.", labels=("managed", "online"))
        cameras = Tally((camera.managed, camera.online) for camera in self._gateway.registry.all())
        for managed in (True, False):
            for online in (True, False):
                family.add_metric((_format_bool(managed), _format_bool(online)), cameras[managed, online])
        return family

    def _collect_tasks(self) -> Iterable[Family]:
        up = GaugeMetricFamily("sunmi_gateway_service_up", "Whether a service works.", labels=("service",))
        failures = CounterMetricFamily(
            "sunmi_gateway_task_failures", "Failures of services and jobs.", labels=("kind", "name")
        )
        for report in self._gateway.supervisor.reports():
            failures.add_metric((report.kind, report.name), report.failures)
            if report.kind == "service":
                up.add_metric((report.name,), report.state == "running")
        return up, failures

    def _webhooks(self) -> Family:
        family = GaugeMetricFamily("sunmi_gateway_webhooks", "Tills that events are pushed to.", labels=("state",))
        states = Tally(webhook["state"] for webhook in self._gateway.webhooks.describe_all())
        for state in ("ok", "failing"):
            family.add_metric((state,), states[state])
        return family


async def metrics(context: RequestContext) -> web.StreamResponse:
    """Answer every metric in Prometheus' text format; a caller from elsewhere than loopback needs a token."""
    gateway, request = context.gateway, context.request
    if not is_local(request.remote or ""):
        token_authenticator(gateway.tokens)(request)
    present = CollectorRegistry(auto_describe=False)
    present.register(_Counts(gateway.metrics))
    readers = request.app[STREAM].readers
    now, account = gateway.products.schedule.now, gateway.outbox.accounts.number
    labels = await try_read(gateway.database.inspect(partial(find_health, account=account, now=now)))
    present.register(_State(gateway, await try_read(gateway.outbox.stats()), readers, labels))
    ProcessCollector(registry=present)
    body = generate_latest(present)
    return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"})


def is_local(remote: str) -> bool:
    """Tell whether a caller is on this machine: at a loopback address, or on the Unix socket, which has none."""
    return not remote or ipaddress.ip_address(remote).is_loopback


def _describe_link(link: "LinkStatus") -> Iterable[Family]:
    yield _gauge("fleet_connected", "Whether the head office is connected.", link.connected_since is not None)
    yield _gauge("fleet_events_waiting", "Events that wait for the head office.", link.events_waiting)
    meaning = "Whether another gateway has this shop's certificate."
    yield _gauge("fleet_cloned", meaning, link.cloned is not None)
    commands = CounterMetricFamily(
        "sunmi_gateway_fleet_commands", "Commands of the head office, by outcome.", labels=("outcome",)
    )
    for outcome, count in link.commands.items():
        commands.add_metric((outcome,), count)
    yield commands


def _describe_labels(health: LabelHealth) -> Iterable[Family]:
    labels = GaugeMetricFamily("sunmi_gateway_labels", "Shelf labels by state.", labels=("state",))
    for state, count in health.states.items():
        labels.add_metric((state,), count)
    yield labels
    problems = GaugeMetricFamily("sunmi_gateway_label_problems", "Shelf labels by what is wrong.", labels=("problem",))
    for kind in PROBLEM_KINDS:
        found = health.problems.get(kind)
        problems.add_metric((kind,), found.labels if found is not None else 0)
    yield problems


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"sunmi_gateway_{name}", text, value=value)


def _format_bool(value: bool) -> str:
    return "true" if value else "false"


ROUTES = (
    Route(
        "GET",
        "/metrics",
        "Metrics for Prometheus; from loopback without a token",
        metrics,
        None,
        while_held=True,
        responses={
            200: DeclaredResponse(
                "Prometheus' text format. From elsewhere than loopback any token is needed.",
                content_types=("text/plain",),
            )
        },
    ),
)

"""The doctor reports services and jobs that fail."""

from typing import Any

from gateway.app import Gateway
from gateway.runtime.supervisor import Service
from tests.waiting import until


async def test_services_that_work(resident: Any) -> None:
    found = await resident.one("services")
    assert found.status == "ok"


async def test_a_service_that_fails(gateway: Gateway, resident: Any) -> None:
    async def fail(_: Service) -> None:
        raise RuntimeError("out of paper")

    gateway.supervisor.start_service("printer", fail)
    await until(lambda: any(report.failures for report in gateway.supervisor.reports()))
    found = await resident.one("services")
    assert (found.status, found.what) == ("warning", "the service 'printer' fails: RuntimeError: out of paper")
    assert "support-bundle" in found.what_to_do


async def test_a_vital_service_that_fails(gateway: Gateway, resident: Any) -> None:
    async def fail(_: Service) -> None:
        raise RuntimeError("out of paper")

    gateway.supervisor.start_service("till", fail, vital=True)
    await until(lambda: any(report.failures for report in gateway.supervisor.reports()))
    assert (await resident.one("services")).status == "failed"

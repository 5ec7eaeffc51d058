"""Every check there is, in the order in which a person looks for a fault."""

from typing import Final

from gateway.doctor import cameras, cloud, machine, neighbours, network, services
from gateway.doctor.finding import Check

CHECKS: Final = (
    Check("dns", cloud.dns),
    Check("cloud_tls", cloud.tls, limit_s=12),
    Check("clock", cloud.clock, limit_s=12),
    Check("credentials", cloud.credentials, limit_s=25),
    Check("shop", cloud.shop, limit_s=25),
    Check("interfaces", network.interfaces),
    Check("server_ports", network.server_ports),
    Check("discovery_port", network.discovery_port),
    Check("broadcast", network.broadcast),
    Check("multicast", network.multicast),
    Check("discovery", network.discovery, limit_s=20, needs_gateway=True),
    Check("second_gateway", neighbours.second_gateway),
    Check("client_isolation", neighbours.client_isolation, limit_s=20, needs_gateway=True),
    Check("client_certificate", cameras.client_certificate),
    Check("cameras", cameras.reachable, limit_s=30, needs_gateway=True),
    Check("camera_clocks", cameras.clocks, limit_s=30, needs_gateway=True),
    Check("database", machine.database, limit_s=20),
    Check("disk", machine.disk),
    Check("card", machine.card),
    Check("outbox", machine.outbox, needs_gateway=True),
    Check("services", services.services, needs_gateway=True),
)

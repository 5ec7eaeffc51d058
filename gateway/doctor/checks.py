"""Every check there is, in the order in which a person looks for a fault."""

from typing import Final

from gateway.doctor import (
    cameras,
    certificates,
    changed_settings,
    cloud,
    events,
    hotspots,
    machine,
    neighbours,
    network,
    products,
    services,
)
from gateway.doctor.check import Check

CHECKS: Final = (
    Check("dns", cloud.check_dns),
    Check("cloud_tls", cloud.check_tls, timeout_s=12),
    Check("clock", cloud.check_clock, timeout_s=12),
    Check("credentials", cloud.check_credentials, timeout_s=25),
    Check("shop", cloud.check_shop, timeout_s=25),
    Check("interfaces", network.check_interfaces),
    Check("server_ports", network.check_server_ports),
    Check("https_certificate", certificates.check_https_certificate),
    Check("public_url", events.check_public_url, timeout_s=12),
    Check("camera_url", events.check_camera_url, timeout_s=12),
    Check("product_fetch", products.check_product_fetch, timeout_s=12),
    Check("discovery_port", network.check_discovery_port),
    Check("broadcast", network.check_broadcast),
    Check("multicast", network.check_multicast),
    Check("discovery", network.check_discovery, timeout_s=20, needs_gateway=True),
    Check("second_gateway", neighbours.check_second_gateway),
    Check("client_isolation", neighbours.check_client_isolation, timeout_s=20, needs_gateway=True),
    Check("hotspots", hotspots.check_hotspots, needs_gateway=True),
    Check("client_certificate", cameras.check_client_certificate),
    Check("camera_account", cameras.check_account),
    Check("cameras", cameras.check_reachable, timeout_s=30, needs_gateway=True),
    Check("activation", cameras.check_activation, timeout_s=45, needs_gateway=True),
    Check("serial_numbers", cameras.check_duplicates, timeout_s=20, needs_gateway=True),
    Check("camera_clocks", cameras.check_clocks, timeout_s=30, needs_gateway=True),
    Check("pictures", cameras.check_pictures),
    Check("changed_settings", changed_settings.check_changed_settings),
    Check("database", machine.check_database, timeout_s=20),
    Check("disk", machine.check_disk),
    Check("card", machine.check_card),
    Check("outbox", machine.check_outbox, needs_gateway=True),
    Check("subscriptions", events.check_subscriptions, needs_gateway=True),
    Check("webhooks", events.check_webhooks, needs_gateway=True),
    Check("services", services.check_services, needs_gateway=True),
)

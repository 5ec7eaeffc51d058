"""The rule for polkit as it is shipped: it allows the service what joining hotspots takes, and nothing else."""

import re
from pathlib import Path

from gateway.shop.hotspots.wifi_device import PERMISSIONS

DEBIAN = Path(__file__).parents[2] / "packaging/debian"
RULE = (DEBIAN / "50-sunmi-gateway.rules").read_text(encoding="utf-8")


def test_it_allows_what_joining_takes() -> None:
    assert set(re.findall(r'"org\.freedesktop\.NetworkManager\.([a-z.-]+)"', RULE)) == set(PERMISSIONS)
    assert RULE.count("polkit.Result") == 1


def test_it_is_for_the_user_of_the_service() -> None:
    unit = (DEBIAN / "sunmi-gateway.service").read_text(encoding="utf-8")
    assert re.findall(r'subject\.user == "([a-z-]+)"', RULE) == re.findall(r"^User=(.*)$", unit, re.MULTILINE)


def test_it_is_installed_where_polkit_looks() -> None:
    installed = (DEBIAN / "sunmi-gateway.install").read_text(encoding="utf-8").split("\n")
    assert ["debian/50-sunmi-gateway.rules", "usr/share/polkit-1/rules.d"] in [line.split() for line in installed]

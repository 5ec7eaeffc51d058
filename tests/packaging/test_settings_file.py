"""The settings file as it is shipped: the values of an appliance, and every other key with its true default."""

import re
from pathlib import Path

from gateway.settings import Settings, load_settings

FILE = Path(__file__).parents[2] / "gateway/gateway.toml"
ELSEWHERE = {("cameras", "port"), ("discovery", "broadcast_port")}
"""Keys that are for tests and unusual networks alone, left out of the file."""


def test_it_serves_on_the_usual_ports() -> None:
    settings = load_settings(FILE)
    assert (settings.server.host, settings.server.port, settings.server.https_port) == ("0.0.0.0", 80, 443)
    assert str(settings.state_directory) == "/var/lib/sunmi-gateway"


def test_what_is_commented_out_is_the_default(tmp_path: Path) -> None:
    whole = tmp_path / "gateway.toml"
    whole.write_text(re.sub(r"^# (\w+ = )", r"\1", FILE.read_text(), flags=re.M))
    shipped, plain = load_settings(whole).model_dump(), Settings().model_dump()
    shipped["server"] |= {"port": plain["server"]["port"], "https_port": plain["server"]["https_port"]}
    shipped["storage"] = plain["storage"]
    assert shipped == plain


def test_every_key_is_there() -> None:
    text = re.sub(r"^# (\w+ = )", r"\1", FILE.read_text(), flags=re.M)
    sections = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?=^\[|\Z)", text, re.M | re.S))
    there = {(section, key) for section, body in sections.items() for key in re.findall(r"^(\w+) =", body, re.M)}
    known = {(section, key) for section, keys in Settings().model_dump().items() for key in keys}
    assert there == known - ELSEWHERE

"""The console of the package in a booted Debian: first sign-in, settings, pictures, photographs, downloads, removal."""

import io
import re
import tarfile
import tomllib
from typing import Final

import pytest
import segno
from PIL import Image

from tests.packaging.conftest import NEWER, Packages, list_leftovers
from tests.packaging.machine import Machine, wait
from tests.packaging.test_boot import CAMERA, MEMORY_MAX, RESTART_S, configure_store, journal, ready, show

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

AS_SERVICE: Final = "setpriv --reuid sunmi-gateway --regid sunmi-gateway --clear-groups"
ISSUE: Final = "/run/issue.d/sunmi-gateway.issue"
STATE: Final = "/var/lib/sunmi-gateway"
UNIT: Final = "sunmi-gateway.service"
SEALED: Final = "SS101D8BS00002"
NUMBER: Final = "800000000000000000000002"
ORIGINS: Final = ("http://127.0.0.1", "https://127.0.0.1")
PROMPT: Final = "script --quiet --return --command 'agetty --show-issue' /dev/null"
CODE: Final = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}\b")


class Visitor:
    """A browser in the machine: `curl` with a jar of cookies, and the secret of forms."""

    def __init__(self, machine: Machine, origin: str = ORIGINS[1], *, language: str = "en") -> None:
        self.machine = machine
        self.origin = origin
        self._curl = (
            "curl -sS --max-time 60 --cacert /run/authority.pem --cookie /root/jar --cookie-jar /root/jar "
            f"-H 'Accept-Language: {language}' -H 'Origin: {origin}'"
        )

    def get(self, path: str, options: str = "") -> str:
        return self.machine.run(f"{self._curl} {options} '{self.origin}{path}'")

    def status(self, path: str, options: str = "-o /dev/null") -> int:
        return int(self.get(path, f"{options} -w '%{{http_code}}'"))

    def post(self, path: str, *fields: str, options: str = "-o /root/response") -> int:
        """Send a form of a page, with its secret; return the status."""
        words = " ".join(f"-F '{field}'" for field in (*fields, *self._csrf()))
        return self.status(path, f"{options} {words}")

    def sign_in(self, code: str) -> None:
        assert self.status("/console/sign-in", f"-o /root/response -d code={code}") == 303
        assert "Is the shop all right?" in self.get("/console/")

    def _csrf(self) -> list[str]:
        return [f"csrf={found}" for found in re.findall('name="csrf" value="([0-9a-f]+)"', self.get("/console/"))[:1]]


def pair(machine: Machine) -> str:
    """Make a pairing code as a person at the machine does."""
    return machine.run(f"{AS_SERVICE} sunmi-gateway token pair").splitlines()[0]


def make_photograph(number: str) -> bytes:
    """Make a picture of a phone with 50 million pixels and a QR code."""
    code = io.BytesIO()
    segno.make(number).save(code, kind="png", scale=40)
    picture = Image.new("RGB", (8160, 6120), "white")
    picture.paste(Image.open(code), (3000, 2000))
    photograph = io.BytesIO()
    picture.save(photograph, "JPEG")
    return photograph.getvalue()


def test_the_first_sign_in_from_the_attached_screen(machine_with_ffmpeg: Machine) -> None:
    machine = machine_with_ffmpeg
    machine.boot()
    ready(machine)
    code = wait(lambda: CODE.findall(machine.run(f"cat {ISSUE}")), RESTART_S, "code on the screen")[0]
    assert machine.run(f"stat -c '%a %U' {ISSUE}").strip() == "600 sunmi-gateway"
    prompt = machine.run(PROMPT)
    assert code in prompt
    assert "Debian" in prompt

    # A gateway that was killed leaves its code on the screen; the next one shows another.
    machine.run("kill -9 $(systemctl show sunmi-gateway --property=MainPID --value)")
    wait(lambda: show(machine, "NRestarts") == "1", RESTART_S, "restart")
    ready(machine)
    killed, code = code, wait(lambda: CODE.findall(machine.run(f"cat {ISSUE}")), RESTART_S, "code on the screen")[0]
    assert code != killed
    assert machine.run(f"stat -c '%a %U' {ISSUE}").strip() == "600 sunmi-gateway"
    assert machine.run("stat -c %U /run/agetty.reload").strip() == "sunmi-gateway"
    assert code in machine.run(PROMPT)
    assert "busy" not in journal(machine)
    for origin in ORIGINS:
        visitor = Visitor(machine, origin)
        assert visitor.status("/console/") == 303
        page = visitor.get("/console/sign-in")
        assert "Pairing code" in page
        assert "配对码" in Visitor(machine, origin, language="zh-CN").get("/console/sign-in")
        linked = re.findall(r'(?:src|href)="(/console/static/[^"]+)"', page)
        assert len(linked) >= 4
        assert {visitor.status(path) for path in linked} == {200}
        assert visitor.status("/docs") == 200
    Visitor(machine).sign_in(code)
    wait(lambda: not machine.run(f"cat {ISSUE} || :").strip(), RESTART_S, "end of the code on the screen")
    assert code not in machine.run(PROMPT)
    assert show(machine, "NRestarts") == "1"


def test_a_shop_is_set_up_in_the_console_and_kept_by_an_upgrade(
    machine_with_ffmpeg: Machine, packages: Packages
) -> None:
    machine = machine_with_ffmpeg
    machine.boot()
    configure_store(machine)
    visitor = Visitor(machine)
    visitor.sign_in(pair(machine))

    # A setting, and the restart that it needs.
    unfilled = {"discovery.methods": "mdns", "discovery.interval_s": "30", "outbox.max_bytes": "536870912"}
    form = {"provisioning.ssid": "upstairs", "video.max_streams": "1", **unfilled}
    assert visitor.post("/console/shop/settings", *(f"{name}={value}" for name, value in form.items())) == 303
    assert machine.run(f"stat -c '%a %U' {STATE}/settings.toml").strip() == "600 sunmi-gateway"
    assert tomllib.loads(machine.read(f"{STATE}/settings.toml"))["provisioning"]["ssid"] == "upstairs"
    assert "Restart now" in visitor.get("/console/shop/settings")
    before = show(machine, "MainPID")
    assert visitor.post("/console/shop/settings/restart") == 303
    wait(lambda: show(machine, "MainPID") not in ("0", before), RESTART_S, "restart")
    ready(machine)
    settings = visitor.get("/console/shop/settings")
    assert "upstairs" in settings
    assert "Restart now" not in settings

    # A photograph of an activation number, read by a child within the unit's limits.
    (machine.tree / "root/photograph.jpg").write_bytes(make_photograph(NUMBER))
    photograph = "photo=@/root/photograph.jpg;type=image/jpeg"
    assert visitor.post(f"/console/cameras/{SEALED}/set-up/activation", photograph) == 200
    assert f'value="{NUMBER}"' in machine.read("/root/response")

    # Downloads, and who did what.
    for path, inside in (("backup", "gateway.db"), ("support-bundle", "doctor")):
        assert visitor.post(f"/console/shop/{path}") == 200
        with tarfile.open(machine.tree / "root/response") as archive:
            assert [name for name in archive.getnames() if inside in name]
    # The gateway removes what it sent after the last byte, which the visitor may have first.
    state = machine.tree / STATE.removeprefix("/")
    wait(lambda: not list(state.glob("download-*")), RESTART_S, "end of the files that were downloaded")
    audit = visitor.get("/console/shop/audit")
    for what in ("Change settings", "Restart the gateway", "Download a backup", "Download a support bundle"):
        assert what in audit, what

    # A newer package: the session, the settings and the log are kept.
    machine.run(f"DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /root/{packages.newer.name}")
    ready(machine)
    assert "upstairs" in visitor.get("/console/shop/settings")
    assert f"Version {NEWER}" in visitor.get("/console/shop/backup")
    assert "Download a support bundle" in visitor.get("/console/shop/audit")

    machine.run("dpkg --purge sunmi-gateway")
    assert machine.run("pgrep -u sunmi-gateway || :") == ""
    assert list_leftovers(machine) == []


def test_a_child_that_takes_all_memory_ends_alone(machine_with_ffmpeg: Machine) -> None:
    machine = machine_with_ffmpeg
    machine.boot()
    configure_store(machine)
    machine.run(f"sunmi-gateway discover && sunmi-gateway cameras add {CAMERA}")
    gateway = show(machine, "MainPID")
    count_kills = machine.limit_memory(UNIT, MEMORY_MAX)
    # Found before Debian's, and started by the gateway with the bounds of every child.
    machine.write("/usr/local/bin/ffmpeg", "#!/bin/sh\nexec tail /dev/zero\n")
    machine.run("chmod 755 /usr/local/bin/ffmpeg")
    refused = machine.run(f"sunmi-gateway cameras snapshot {CAMERA} /root/door.jpg", check=False)
    assert not (machine.tree / "root/door.jpg").exists(), refused
    assert count_kills() >= 1, refused
    ready(machine)
    assert (show(machine, "MainPID"), show(machine, "NRestarts")) == (gateway, "0")
    machine.run("rm /usr/local/bin/ffmpeg")
    snapshot = f"sunmi-gateway cameras snapshot {CAMERA} /root/door.jpg && echo taken || :"
    wait(lambda: "taken" in machine.run(snapshot), RESTART_S, "picture, after the back-off of the one that failed")
    print(f"{count_kills()} children ended by the kernel; last word: {refused.splitlines()[-1]}")  # noqa: T201

"""Looking for cameras from the command line."""

from gateway.simulator.store import SimulatedStore
from tests.cli.conftest import Commands


async def test_a_scan_none_of_whose_methods_works_fails(command: Commands) -> None:
    nothing = await command("discover", "--json", SUNMI_GATEWAY__DISCOVERY__INTERFACES='["gone0"]')
    assert nothing.status == 1
    assert nothing.json["cameras"] == []
    assert "no method could look for cameras" in nothing.errors.splitlines()[-1]


async def test_what_is_cheaply_known_of_found_cameras_is_shown(store: SimulatedStore, command: Commands) -> None:
    known: dict[str, str] = {}
    while len(known) < len(store.cameras):  # a busy machine may be late for a scan
        known = {one["sn"]: one["activation"] for one in (await command("discover", "--json")).json["cameras"]}
    assert known == {camera.sn: "unknown" if camera.state.activated else "not_activated" for camera in store.cameras}
    for camera in store.cameras:
        assert not any(request.fields for request in camera.requests), (
            "nothing is signed for a camera that is only found"
        )
    listed = (await command("cameras", "list", "--json")).json["cameras"]
    assert {one["online"] for one in listed} == {None}, "this process has looked for none"
    shown = await command("cameras", "show", store.cameras[0].sn.lower(), "--json")
    assert shown.json["sn"] == store.cameras[0].sn


async def test_a_misspelled_endpoint_is_answered_with_the_right_one(command: Commands) -> None:
    refused = await command("cameras", "call", "FS101D8BS00001", "config/setzom")
    assert refused.status == 2
    assert "did you mean config/setZoom" in refused.errors


async def test_for_a_camera_that_is_only_found_the_command_that_manages_it_is_named(
    store: SimulatedStore, command: Commands
) -> None:
    sn = store.cameras[0].sn
    while (await command("cameras", "show", sn)).status:
        await command("discover")  # a busy machine may be late for a scan
    for arguments in (
        ("cameras", "call", sn, "config/setZoom", "zoom=200"),
        ("cameras", "access-points", sn),
        ("shop", "demonstrate", sn),
    ):
        refused = await command(*arguments, "--no-input")
        assert refused.status == 1
        assert f"`sunmi-gateway cameras add {sn}`" in refused.errors

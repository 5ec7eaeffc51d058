"""The site plan over REST: checked, kept, run, and shown without secrets."""

from tests.shop.conftest import PLAN, Site, failures


async def test_a_plan_is_run_and_every_camera_is_done(site: Site) -> None:
    site.connect_all()
    put = await site.rest("PUT", PLAN, site.plan(settings={"zoom": 120}))
    assert put.status == 200, put.body
    assert (put.body["state"], put.body["erases"], put.body["counts"]["pending"]) == ("ready", 2, 3)
    document = await site.run(confirm_erase=2)
    assert document["state"] == "done", failures(document)
    assert [camera.state.name for camera in site.store.cameras] == ["Camera 1", "Camera 2", "Camera 3"]
    assert [camera.state.zoom for camera in site.store.cameras] == [120, 120, 120]
    assert all(camera.state.activated for camera in site.store.cameras)

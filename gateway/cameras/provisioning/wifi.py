"""The steps that bring a camera onto the store's network: reach, networks, wifi, rejoin."""

from typing import Final

from gateway.cameras.cameras import NoAccessPointList
from gateway.cameras.provisioning.context import AWAY, Course, in_hotspot, named, now
from gateway.cameras.provisioning.job import Skipped, StepFailed
from gateway.errors import InvalidRequest, VendorRefused

_BAD_PASSWORD: Final = 101


async def reach(course: Course) -> str:
    """Find the camera and make it ours; in its hotspot, if a person has joined that and Wi-Fi is to be set."""
    job, limits = course.job, course.limits
    deadline = now() + limits.reach_s
    give_up_at: float | None = None  # known once a person was asked to help
    seen = False
    while True:
        # Whether it is in hotspot mode only a sighting tells, and what becomes of Wi-Fi depends on that.
        if job.request.ssid is None and _at_home(course) and await course.answers():
            return f"answers at {course.camera.address}"
        sightings = await course.look()
        if sightings:
            seen = True
            if not course.camera.managed:
                await course.registry.manage(job.sn)
            if await course.answers():
                job.via_hotspot = job.via_hotspot or course.camera.hotspot
                where = "in hotspot mode " if course.camera.hotspot else ""
                return f"answers {where}at {course.camera.address}"
        elif job.request.ssid is not None and _at_home(course) and await course.answers():
            return f"answers at {course.camera.address}"
        if now() >= deadline:
            give_up_at = give_up_at or now() + limits.person_s
            if seen or now() >= give_up_at or job.request.ssid is None:
                raise course.trouble
            await course.wait_for_person("join_hotspot", _hotspot_advice(course))
            deadline = give_up_at
        if await course.pause():
            deadline = min(now() + limits.reach_s, give_up_at or deadline)


async def networks(course: Course) -> str:
    """Have the camera see the network that it is to join, of a kind that it can join."""
    ssid = course.job.request.ssid
    if ssid is None:
        raise Skipped("no network was given")
    if _joined_already(course):
        raise Skipped("the camera has joined already")
    deadline = now() + course.limits.networks_s
    while True:
        try:
            points = await course.cameras.access_points(course.job.sn)
        except NoAccessPointList:
            return "the camera's firmware does not list networks; the given name is taken as it is"
        except AWAY as exc:
            trouble = named(exc)
        else:
            kinds = [point.key_mgmt.upper() for point in points if point.ssid == ssid]
            if any("WEP" in kind for kind in kinds):
                raise StepFailed("wep_not_supported", f"the network {ssid!r} uses WEP, which cameras do not support")
            if kinds and all("WPA" in kind for kind in kinds) and not course.job.request.password:
                raise StepFailed("wrong_wifi_password", f"the network {ssid!r} needs a password")
            if kinds:
                return f"the camera sees {ssid!r}"
            names = ", ".join(repr(point.ssid) for point in points) or "no network at all"
            trouble = StepFailed("network_not_seen", f"the camera does not see {ssid!r}; it sees {names}")
        if now() >= deadline:
            raise trouble
        await course.pause()


async def wifi(course: Course) -> str:
    """Tell the camera to join; told again after a crash, it does the same again."""
    request = course.job.request
    if request.ssid is None:
        raise Skipped("no network was given")
    if _joined_already(course):
        raise Skipped("the camera has joined already")
    deadline = now() + course.limits.reach_s
    while True:
        try:
            answered = await course.cameras.set_wifi(course.job.sn, request.ssid, request.password or "")
        except InvalidRequest as exc:
            raise StepFailed("wep_not_supported", str(exc)) from exc
        except VendorRefused as exc:
            if exc.vendor_code == _BAD_PASSWORD:
                raise StepFailed("wrong_wifi_password", str(exc)) from exc
            raise
        except AWAY:
            if now() >= deadline:
                raise
            await course.pause()
        else:
            course.job.wifi_address = course.camera.address
            return "the camera accepted the network" if answered else "the camera left before it answered"


async def rejoin(course: Course) -> str:
    """Wait for the camera to leave, and find it by its serial number, most likely at another address."""
    job, limits = course.job, course.limits
    if job.entry("wifi").state != "done":
        raise Skipped("the camera stays on its network")
    settled_at = now() + limits.leave_s
    # A person is asked to go back only when the camera does not appear by itself: some hosts are in both networks.
    may_wait = job.via_hotspot
    deadline = now() + (limits.reach_s if may_wait else limits.rejoin_s)
    left = False
    while True:
        seen = await course.look()
        left = left or (not seen and not await _shows_itself(course))
        certain = left or now() >= settled_at
        hotspot = bool(seen) and course.camera.hotspot
        if hotspot and certain:
            raise StepFailed(
                "wrong_wifi_password",
                f"the camera did not join {job.request.ssid!r} and is back in hotspot mode: "
                "the password is most likely wrong",
            )
        moved = any(not sighting.hotspot and sighting.address != job.wifi_address for sighting in seen)
        if not hotspot and (moved or certain) and (seen or not job.via_hotspot) and await course.answers():
            return f"is on the network at {course.camera.address}"
        if now() >= deadline:
            if not may_wait:
                raise _not_back(course)
            may_wait = False
            await course.wait_for_person(
                "return_to_lan", "go back to the store's network, then go on: the camera has been told to join it"
            )
            deadline = now() + limits.person_s
        if await course.pause():
            may_wait = False
            deadline = now() + limits.rejoin_s


def _at_home(course: Course) -> bool:
    """Whether the camera has an address of its own on this network, as far as is known."""
    camera = course.known()
    return camera is not None and bool(camera.address) and not course.job.via_hotspot and not in_hotspot(camera)


def _joined_already(course: Course) -> bool:
    """Whether a camera that was in hotspot mode at first is on the network: it was told before a crash."""
    return course.job.via_hotspot and not course.camera.hotspot


async def _shows_itself(course: Course) -> bool:
    try:
        await course.cameras.shown(course.job.sn)
    except AWAY:
        return False
    return True


def _not_back(course: Course) -> StepFailed:
    return StepFailed(
        "not_reachable",
        f"the camera {course.job.sn} was told to join {course.job.request.ssid!r} but was not found on this network "
        f"since; is that network this one, and the password right? ({course.trouble.detail})",
    )


def _hotspot_advice(course: Course) -> str:
    camera = course.known()
    digits = camera.mac.replace(":", "")[-4:] if camera is not None else ""
    name = f"SUNMI_{digits}" if digits else "SUNMI_XXXX (the last four digits of the MAC on its label)"
    return (
        f"the camera {course.job.sn} is not on this network: join its Wi-Fi network {name}, then go on. It offers "
        "that about 20 s after power-on, without a network cable, when its LED blinks green; else hold RESET for 5 s"
    )

"""A viewer is bounded: one that does not read loses pictures, never memory."""

from gateway.cameras.video.fragments import Fragment, InitSegment
from gateway.cameras.video.viewer import MAX_QUEUED_BYTES, StreamStatus, Viewer

SEGMENT = InitSegment(b"\x00\x00\x00\x08ftyp", "avc1.42C016", 640, 360, 90000)
LIVE = StreamStatus("live").with_segment(SEGMENT)
LARGE = b"\x00\x00\x00\x08moof" + bytes(MAX_QUEUED_BYTES // 8)


def picture(number: int, *, key: bool = False) -> Fragment:
    return Fragment(LARGE + bytes([number]), key, number)


async def read(viewer: Viewer) -> list[StreamStatus | bytes]:
    viewer.end()
    return [item async for item in viewer]


async def test_it_begins_at_a_key_frame() -> None:
    viewer = Viewer()
    viewer.begin(LIVE, SEGMENT)
    for number in range(4):
        viewer.send(picture(number, key=number == 2))
    assert await read(viewer) == [LIVE, SEGMENT.data, picture(2).data, picture(3).data]


async def test_a_slow_one_goes_on_at_the_next_key_frame() -> None:
    viewer = Viewer()
    viewer.begin(LIVE, SEGMENT)
    for number in range(100):
        viewer.send(picture(number, key=number in (0, 98)))
    assert await read(viewer) == [LIVE, SEGMENT.data, picture(98).data, picture(99).data]
    assert viewer.dropped == 98


async def test_of_many_statuses_the_last_one_waits() -> None:
    viewer = Viewer()
    for number in range(1000):
        viewer.send_status(StreamStatus("starting", problem=str(number)))
    assert await read(viewer) == [StreamStatus("starting", problem="999")]


async def test_a_new_stream_replaces_what_waits() -> None:
    viewer = Viewer()
    viewer.begin(LIVE, SEGMENT)
    viewer.send(picture(0, key=True))
    viewer.send_status(StreamStatus("frozen"))
    viewer.begin(LIVE, SEGMENT)
    viewer.send(picture(5))
    viewer.send(picture(6, key=True))
    assert await read(viewer) == [LIVE, SEGMENT.data, picture(6).data]

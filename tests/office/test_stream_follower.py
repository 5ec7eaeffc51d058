"""What is new in a stream, from a time on."""

from gateway.fleet.subjects import EVENTS, event_subject
from gateway.office.stored_messages import StreamMessage
from gateway.office.stream_follower import StreamFollower, StreamStart
from tests.fleet.cluster import HeadOffice


async def test_where_nothing_was_since_a_time_nothing_earlier_follows(office: HeadOffice) -> None:
    async def begin() -> StreamStart:
        return StreamStart(since="2200-01-01T00:00:00Z")

    async with office.client() as client:
        await client.jetstream().publish("fleet.v1.follow.event.camera.motion", b'{"id": "earlier"}')
    async with office.connect() as connected:
        follower, read = StreamFollower(connected, EVENTS, event_subject("follow")), list[StreamMessage]()
        assert await follower.read(read.append, begin)
        assert not await follower.read(read.append, begin)
    assert read == []

"""The streams and buckets of a chain, and making them.

A bucket is a stream whose subjects and rules are those of the servers' own clients, which can read it. All are direct:
a shop reads them without a consumer.
"""

from collections.abc import Sequence
from typing import Final

import nats.js.errors
from nats.js import JetStreamContext
from nats.js.api import DiscardPolicy, StorageType, StreamConfig

from gateway.fleet.subjects import (
    AUDIT,
    AUDIT_SUBJECT,
    CONTENT_STREAM,
    DESIRED,
    EVENTS,
    FLOW,
    OFFICE,
    REPORTED,
    ROLLOUTS,
    SHOPS,
    TOKENS,
    bucket_stream,
    bucket_subject,
    chunk_subject,
    event_subject,
    flow_subject,
    object_subject,
)

DAY_S: Final = 86_400
EVENTS_AGE_S: Final = 120 * DAY_S
"""For how long events stay: longer than in any shop, or a shop would send them again."""
FLOW_AGE_S: Final = 2 * 366 * DAY_S
"""For how long the numbers of a day stay: long enough to compare with the year before."""
AUDIT_AGE_S: Final = 2 * 366 * DAY_S
"""For how long it stays who has changed what at the head office."""
AUDIT_BYTES: Final = 64 * 1024 * 1024
"""How much of that there is at most: some 100,000 changes."""
EVENTS_SHARE: Final = 0.8
FLOW_SHARE: Final = 0.05
"""Which share of a server's room events and flow take at most: whoever fills that, settings, commands and revocations
still find room."""
MQTT_SESSIONS: Final = 1000
"""How many sessions of readers by MQTT the servers remember. The oldest goes: nothing is kept in it for the reader."""
MQTT_SESSIONS_BYTES: Final = 64 * 1024 * 1024
DUPLICATE_WINDOW_S: Final = 3600
"""For how long a message that comes again is known by its id."""
_BUCKET_WINDOW_S: Final = 120


def list_streams(replicas: int, storage_bytes: int) -> Sequence[StreamConfig]:
    """Return what the servers are to have, each of it on so many of them, which have so much room each."""
    # A full stream refuses, and the shops wait: nothing is lost. One that dropped the oldest would lose it.
    stream = StreamConfig(
        num_replicas=replicas,
        storage=StorageType.FILE,
        discard=DiscardPolicy.NEW,
        allow_direct=True,
        max_bytes=-1,
        max_msgs=-1,
        duplicate_window=_BUCKET_WINDOW_S,
    )
    # No roll-ups: by one a shop could take all messages out of a bucket to which it may write a key.
    bucket = stream.evolve(max_msgs_per_subject=1, deny_delete=True)
    return (
        stream.evolve(
            name=EVENTS,
            subjects=[event_subject("*")],
            max_age=EVENTS_AGE_S,
            max_bytes=int(EVENTS_SHARE * storage_bytes),
            duplicate_window=DUPLICATE_WINDOW_S,
        ),
        stream.evolve(
            name=FLOW,
            subjects=[flow_subject("*")],
            max_age=FLOW_AGE_S,
            max_msgs_per_subject=1,
            max_bytes=int(FLOW_SHARE * storage_bytes),
        ),
        # Here the oldest goes: a full audit log must stop nobody. Nothing in it can be deleted or changed.
        stream.evolve(
            name=AUDIT,
            subjects=[AUDIT_SUBJECT],
            max_age=AUDIT_AGE_S,
            max_bytes=AUDIT_BYTES,
            discard=DiscardPolicy.OLD,
            deny_delete=True,
            deny_purge=True,
        ),
        *(
            bucket.evolve(name=bucket_stream(name), subjects=[bucket_subject(name, ">")])
            for name in (REPORTED, DESIRED, SHOPS, ROLLOUTS, OFFICE, TOKENS)
        ),
        # The servers would make it without a limit when the first reader comes by MQTT, who names sessions as he likes.
        stream.evolve(
            name="$MQTT_sess",
            subjects=["$MQTT.sess.>"],
            max_msgs=MQTT_SESSIONS,
            max_msgs_per_subject=1,
            max_bytes=MQTT_SESSIONS_BYTES,
            discard=DiscardPolicy.OLD,
        ),
        stream.evolve(name=CONTENT_STREAM, subjects=[chunk_subject(), object_subject()], allow_rollup_hdrs=True),
    )


async def make_stream(jetstream: JetStreamContext, wanted: StreamConfig) -> bool:
    """Make a stream if it is missing, or change what differs; return whether there was anything to do.

    Raises the errors of the client library.
    """
    try:
        present = (await jetstream.stream_info(str(wanted.name))).config
    except nats.js.errors.NotFoundError:
        await jetstream.add_stream(wanted)
        return True
    decided = {key: value for key, value in vars(wanted).items() if value != vars(_UNDECIDED)[key]}
    if all(getattr(present, key) == value for key, value in decided.items()):
        return False
    await jetstream.update_stream(present, **decided)
    return True


_UNDECIDED: Final = StreamConfig()

"""The names on the head office's servers: subjects, streams and buckets, and what one shop may do with them.

Shops, head office and the rules of the servers all take their names from here.
"""

import base64
from collections.abc import Sequence
from typing import Final, NamedTuple

PREFIX: Final = "fleet.v1"
"""How the subjects of a chain begin. A change that old shops cannot read gets another number."""

EVENTS: Final = "events"
"""The stream with the events of all shops."""
FLOW: Final = "flow"
"""The stream with the customer flow of all shops: one message for each shop and day, the newest one."""
REPORTED: Final = "reported"
"""The bucket with what shops say of themselves: `SHOP`, `SHOP.findings` and `SHOP.desired`."""
DESIRED: Final = "desired"
"""The bucket with what the head office wants: `chain`, `group.NAME` and `shop.SHOP`."""
CONTENT: Final = "content"
"""The object store with lists of products and templates of labels, each named by its SHA-256."""
CONTENT_STREAM: Final = f"OBJ_{CONTENT}"
"""The stream in which the servers keep it."""
SHOPS: Final = "shops"
"""The bucket with the shops that are enrolled, which the head office alone reads."""
ROLLOUTS: Final = "rollouts"
"""The bucket with changes that reach the shops in waves, which the head office alone reads."""
OFFICE: Final = "office"
"""The bucket with the newest token of the chain's account, which says who is revoked, and the records of readers. The
head office alone reads it."""

SKIPPED: Final = "fleet.skipped"
"""The type of what is sent in place of an event that the servers do not take."""

AUDIT: Final = "audit"
"""The stream with what was changed at the head office, which the head office alone reads."""
AUDIT_SUBJECT: Final = "office.audit"
"""The subject of its messages, outside of what shops and readers may name."""

TOKENS: Final = "tokens"
"""The bucket with the hashes of the head office's tokens and sessions, which the head office alone reads."""

CHAIN_KEY: Final = "chain"
"""The key in `desired` of what all shops are to have."""


def event_subject(shop: str, event_type: str = ">") -> str:
    """Return the subject of a shop's events of one type; of all of them by default. `*` means all shops."""
    return f"{PREFIX}.{shop}.event.{event_type}"


def flow_subject(shop: str, day: str = "*") -> str:
    """Return the subject of a shop's customer flow of a day, such as 2026-11-20."""
    return f"{PREFIX}.{shop}.flow.{day}"


def present_subject(shop: str) -> str:
    """Return the subject on which each gateway of a shop says that it is there. Two of them are one too many."""
    return f"{PREFIX}.{shop}.present"


def command_subject(shop: str, command: str = "*") -> str:
    """Return the subject on which a shop takes a command."""
    return f"{PREFIX}.{shop}.command.{command}"


def response_subject(shop: str, response: str = ">") -> str:
    """Return the subject at which a shop responds to a command: nobody else may, so a response tells whose it is."""
    return f"{PREFIX}.{shop}.response.{response}"


def group_key(group: str) -> str:
    """Return the key in `desired` of what the shops of a group are to have."""
    return f"group.{group}"


def shop_key(shop: str) -> str:
    """Return the key in `desired` of what one shop is to have."""
    return f"shop.{shop}"


def findings_key(shop: str) -> str:
    """Return the key in `reported` of what the doctor of a shop found."""
    return f"{shop}.findings"


def answer_key(shop: str) -> str:
    """Return the key in `reported` of a shop's answer to the desired state."""
    return f"{shop}.desired"


def bucket_subject(bucket: str, key: str) -> str:
    """Return the subject of a key of a bucket."""
    return f"$KV.{bucket}.{key}"


def bucket_stream(bucket: str) -> str:
    """Return the stream in which the servers keep a bucket."""
    return f"KV_{bucket}"


def object_subject(name: str | None = None) -> str:
    """Return the subject of what the object store says of an object; of all of them by default."""
    last = ">" if name is None else base64.urlsafe_b64encode(name.encode()).decode()
    return f"$O.{CONTENT}.M.{last}"


def chunk_subject(nuid: str = ">") -> str:
    """Return the subject of the chunk of an object, which has one; of all of them by default."""
    return f"$O.{CONTENT}.C.{nuid}"


def read_subject(stream: str, subject: str) -> str:
    """Return the subject by which the last message of a subject is read without a consumer."""
    return f"$JS.API.DIRECT.GET.{stream}.{subject}"


def inbox_prefix(shop: str) -> str:
    """Return how the subjects begin at which a shop gets responses: no other shop may read them."""
    return f"_INBOX_{shop}"


class Permissions(NamedTuple):
    """What a user of the servers may do."""

    publish: Sequence[str]
    """Subjects to which he may publish."""
    subscribe: Sequence[str]
    """Subjects that he may read."""


def shop_permissions(shop: str) -> Permissions:
    """Return what a shop may do. `{{name()}}` in place of the shop's name: the servers put in that of each user."""
    wanted = (CHAIN_KEY, group_key("*"), shop_key(shop))
    return Permissions(
        publish=(
            event_subject(shop),
            flow_subject(shop),
            present_subject(shop),
            response_subject(shop),
            *(bucket_subject(REPORTED, key) for key in (shop, findings_key(shop), answer_key(shop))),
            read_subject(EVENTS, event_subject(shop)),
            read_subject(FLOW, flow_subject(shop)),
            *(read_subject(bucket_stream(DESIRED), bucket_subject(DESIRED, key)) for key in wanted),
            read_subject(CONTENT_STREAM, f"$O.{CONTENT}.>"),
        ),
        subscribe=(
            f"{inbox_prefix(shop)}.>",
            command_subject(shop),
            present_subject(shop),
            *(bucket_subject(DESIRED, key) for key in wanted),
        ),
    )


class Passages(NamedTuple):
    """What passes between the account of the shops and that of the streams and the head office.

    A server sends the answer of a stream wherever the sender of a message wants it, and a stream's answer can be what
    the sender has stored there before. So a shop must not share an account with what it may not write: an answer never
    passes from the account of the shops into the other one.
    """

    up: Sequence[str]
    """Subjects of shops that the streams and the head office read."""
    down: Sequence[str]
    """Subjects of the head office that shops read."""


def list_passages() -> Passages:
    """Return what all shops together send to, and get from, the account of the streams."""
    within = {present_subject("*"), f"{inbox_prefix('*')}.>"}
    allowed = shop_permissions("*")
    return Passages(*([one for one in subjects if one not in within] for subjects in allowed))


def reader_inbox_prefix(reader: str) -> str:
    """Return how the subjects begin at which another system of the chain gets responses. No shop has them."""
    return f"_INBOX.{reader}"


def delivery_subject(secret: str) -> str:
    """Return the subject at which another system of the chain gets events: one that no other system can guess.

    Those systems share an account, in which a server sends an answer wherever the one that asks wants it.
    """
    return f"{PREFIX}.delivery.{secret}"


def reader_permissions(reader: str, delivery: str) -> Permissions:
    """Return what another system of the chain may do: read what shops send, by a consumer that was made for it.

    `delivery` is the subject to which the consumer sends.
    """
    return Permissions(
        publish=(
            f"$JS.API.CONSUMER.INFO.{EVENTS}.{reader}",
            f"$JS.ACK.{EVENTS}.{reader}.>",
            read_subject(FLOW, flow_subject("*")),
            read_subject(bucket_stream(REPORTED), bucket_subject(REPORTED, ">")),
        ),
        subscribe=(f"{reader_inbox_prefix(reader)}.>", delivery),
    )


def list_reader_passages() -> Passages:
    """Return what passes between the account of those systems and that of the streams."""
    delivery = delivery_subject("*")
    return Passages(reader_permissions("*", delivery).publish, (delivery,))


def list_mqtt_subjects() -> Sequence[str]:
    """Return what another system of the chain reads by MQTT. It sends nothing."""
    events = event_subject("*")
    return (events, events.removesuffix(".>"), flow_subject("*"), bucket_subject(REPORTED, ">"))  # `#` is no level, too

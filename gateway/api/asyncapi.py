"""The AsyncAPI 3 document: subjects and messages on the head office's servers, for a chain's own systems."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from pydantic import BaseModel

from gateway import __version__
from gateway.api.event_schemas import OTHER_EVENT, build_event_schemas, event_name, make_event_schema
from gateway.api.model_schemas import Schema, build_schemas, refer
from gateway.fleet import documents, subjects
from gateway.fleet.cursor import COMPLETE_TO, MESSAGE_ID
from gateway.fleet.day_flow import ACCOUNT, FINAL_TO
from gateway.protocol.event_type import EVENT_TYPES
from gateway.protocol.vendor_events import VendorEvent

VERSION: Final = "3.0.0"
"""Of AsyncAPI."""
OTHER: Final = "other"
"""The message of an event whose type is not declared."""
SKIPPED_EVENT: Final = "FleetSkippedEvent"
"""The schema of what stands for an event that the servers do not take."""

_DESCRIPTION: Final = """\
What the gateways of a chain's shops and its head office tell each other over NATS. The operations are those of a \
shop's gateway; whoever reads at the head office gets what it sends.

A reader that misses nothing has a durable consumer of the stream `events`, which the head office makes: the servers \
remember its place, and send to a subject of its own. It reads the latest message of another stream by direct get; \
only a reader by MQTT listens to the subjects themselves. A message can come \
twice, since an acknowledgement can be lost. A reader knows it by the header `Nats-Msg-Id`, or by shop and `id`. \
Readers ignore members and types that they do not know."""

_PARAMETERS: Final[Mapping[str, Mapping[str, Any]]] = {
    "shop": {"description": "The name of the shop: letters, digits, - and _. `*` subscribes to all shops."},
    "type": {
        "description": "The type of the event, as in its payload. It has dots: `>` subscribes to all, `camera.>` to a "
        "family.",
        "examples": ["camera.offline", "face.seen"],
    },
    "topic": {
        "description": "The type of the event with `/` for each dot. `#` subscribes to all, `camera/#` to a family.",
        "examples": ["camera/offline", "face/seen"],
    },
    "day": {"description": "The day in the zone of the shop.", "examples": ["2026-11-20"]},
    "group": {"description": "The name of a group of shops."},
    "command": {"description": "The name of the command.", "examples": ["doctor"]},
}

Action = Literal["send", "receive"]


@dataclass(frozen=True)
class Channel:
    """A subject, and what a shop's gateway does there."""

    name: str
    """Its name in the document."""
    address: str
    """The subject or topic with `{parameters}`."""
    description: str
    """What is there."""
    messages: Sequence[str]
    """The messages that are there, by their names."""
    actions: Sequence[Action] = ()
    """What the gateway of a shop does."""
    stream: str = ""
    """The stream that keeps the messages; empty if none does."""
    server: str = "nats"
    """Where it is."""


_MODELS: Final[Mapping[str, type[BaseModel]]] = {
    model.__name__: model
    for model in (
        documents.SkippedEvent,
        documents.ReportedState,
        documents.FindingsReport,
        documents.DesiredReport,
        documents.DesiredState,
        documents.DayFlow,
        documents.Presence,
        documents.CommandRequest,
        documents.CommandResponse,
    )
}
"""The models that are messages, but for the first: that is the `data` of one."""

_BUCKET: Final = "The latest message is the state. One without a payload and with the header `KV-Operation` removes it."


def list_channels() -> list[Channel]:
    """Return all channels of a chain."""
    event_messages = [*sorted(EVENT_TYPES), subjects.SKIPPED, OTHER]
    state, findings, answers = (
        subjects.bucket_subject(subjects.REPORTED, key) for key in ("{shop}", "{shop}.findings", "{shop}.desired")
    )
    wanted = {
        "Chain": (subjects.CHAIN_KEY, "all shops"),
        "Group": (subjects.group_key("{group}"), "the shops of a group"),
        "Shop": (subjects.shop_key("{shop}"), "one shop"),
    }
    return [
        Channel(
            "events",
            subjects.event_subject("{shop}", "{type}"),
            "The events of a shop, at once, and later if the shop was offline.",
            event_messages,
            ("send",),
            subjects.EVENTS,
        ),
        Channel(
            "eventsByMqtt",
            subjects.event_subject("{shop}", "{topic}").replace(".", "/"),
            "The same events for MQTT 3.1.1, at most once: only while the reader is connected, since no stream is "
            "read here. All other subjects are topics in the same way.",
            event_messages,
            server="mqtt",
        ),
        Channel(
            "flow",
            subjects.flow_subject("{shop}", "{day}"),
            "The customer flow of a shop on a day; the latest message counts.",
            ["DayFlow"],
            ("send",),
            subjects.FLOW,
        ),
        Channel(
            "reportedState",
            state,
            f"What a shop says of itself, when it has changed. {_BUCKET}",
            ["ReportedState"],
            ("send",),
            subjects.bucket_stream(subjects.REPORTED),
        ),
        Channel(
            "reportedFindings",
            findings,
            f"What the doctor of a shop finds, when it has changed. {_BUCKET}",
            ["FindingsReport"],
            ("send",),
            subjects.bucket_stream(subjects.REPORTED),
        ),
        Channel(
            "reportedDesired",
            answers,
            f"What became of the desired state in a shop. {_BUCKET}",
            ["DesiredReport"],
            ("send",),
            subjects.bucket_stream(subjects.REPORTED),
        ),
        *(
            Channel(
                f"desired{name}",
                subjects.bucket_subject(subjects.DESIRED, key),
                f"What the head office wants of {whose}. Of chain, groups and shop the narrower one wins. {_BUCKET}",
                ["DesiredState"],
                ("receive",),
                subjects.bucket_stream(subjects.DESIRED),
            )
            for name, (key, whose) in wanted.items()
        ),
        Channel(
            "presence",
            subjects.present_subject("{shop}"),
            "Each gateway of a shop says that it is there. Two of them are one too many: a copied card.",
            ["Presence"],
            ("send", "receive"),
        ),
        Channel(
            "commands",
            subjects.command_subject("{shop}", "{command}"),
            "Commands for what makes sense only now, each with a response. A shop allows them by its own setting.",
            ["CommandRequest"],
            ("receive",),
        ),
    ]


def build_asyncapi_document() -> dict[str, Any]:
    """Build the document."""
    channels = list_channels()
    return {
        "asyncapi": VERSION,
        "info": {"title": "A chain of stores", "version": __version__, "description": _DESCRIPTION},
        "defaultContentType": "application/json",
        "servers": _describe_servers(),
        "channels": {
            **{channel.name: _describe_channel(channel) for channel in channels},
            "responses": {
                "address": None,
                "description": f"Where the response to a command goes: the reply subject of the request. It is one of "
                f"`{subjects.response_subject('{shop}')}`, for the shop may send it nowhere else.",
                "messages": {"CommandResponse": _refer_to_message("CommandResponse")},
            },
        },
        "operations": dict(_describe_operations(channels)),
        "components": {"messages": _build_messages(), "schemas": _build_all_schemas()},
    }


def _describe_servers() -> dict[str, Any]:
    host = {"default": "office.example", "description": "One of the chain's servers."}
    return {
        "nats": {
            "host": "{host}:4222",
            "protocol": "nats",
            "description": "TLS from the first byte, with certificates of the chain's authority on both sides.",
            "variables": {"host": host},
            "security": [{"type": "X509"}],
        },
        "mqtt": {
            "host": "{host}:8883",
            "protocol": "mqtt",
            "protocolVersion": "3.1.1",
            "description": "The same servers' port for MQTT, where the head office has opened it. MQTT 5 is refused.",
            "variables": {"host": host},
            "security": [{"type": "X509"}, {"type": "userPassword"}],
        },
    }


def _describe_channel(channel: Channel) -> dict[str, Any]:
    parts = [part.partition("}")[0] for part in channel.address.split("{")[1:]]
    return {
        "address": channel.address,
        "description": channel.description,
        "servers": [{"$ref": f"#/servers/{channel.server}"}],
        "messages": {name: _refer_to_message(name) for name in channel.messages},
        **({"parameters": {part: _PARAMETERS[part] for part in parts}} if parts else {}),
        **({"x-nats-stream": channel.stream} if channel.stream else {}),
    }


def _describe_operations(channels: Iterable[Channel]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Yield what the gateway of a shop does, by name."""
    for channel in channels:
        for action in channel.actions:
            operation: dict[str, Any] = {"action": action, "channel": {"$ref": f"#/channels/{channel.name}"}}
            if channel.name == "commands":
                operation["reply"] = {"channel": {"$ref": "#/channels/responses"}}
            yield f"{action}{channel.name[0].upper()}{channel.name[1:]}", operation


def _build_messages() -> dict[str, Any]:
    """Return all messages by name."""
    events = {
        **{name: (event_name(declared), declared.title()) for name, declared in sorted(EVENT_TYPES.items())},
        subjects.SKIPPED: (SKIPPED_EVENT, "The servers do not take an event"),
        OTHER: (OTHER_EVENT, "An event of another type"),
    }
    personal = {
        name for name, declared in EVENT_TYPES.items() if issubclass(declared, VendorEvent) and declared.personal
    }
    messages = {}
    for name, (schema, title) in events.items():
        messages[name] = {"name": name, "title": title, "headers": refer("EventHeaders"), "payload": refer(schema)}
        if name in personal:
            messages[name]["description"] = "About a person: sent only if the shop has `[fleet] people = true`."
    for name, model in _MODELS.items():
        if model is not documents.SkippedEvent:
            title = (model.__doc__ or "").partition("\n")[0].removesuffix(".")
            messages[name] = {"name": name, "title": title, "payload": refer(name)}
    messages[documents.DayFlow.__name__]["headers"] = refer("FlowHeaders")
    return messages


def _build_all_schemas() -> dict[str, Schema]:
    events = build_event_schemas()
    # The unions are for REST: here each message has its own schema.
    names = [name for name in events if name not in ("Event", "EventPage", "ResumeNotice")]
    skipped = {
        "type": {"const": subjects.SKIPPED, "description": f"`{subjects.SKIPPED}`."},
        "data": refer("SkippedEvent"),
    }
    return {
        "EventHeaders": {
            "type": "object",
            "required": [MESSAGE_ID, COMPLETE_TO],
            "properties": {
                MESSAGE_ID: {
                    "type": "string",
                    "description": "The shop, `/` and the `id` of the event. A message that comes again has the same.",
                    "examples": ["shop-17/5f3a9c70b2d84e16-1042"],
                },
                COMPLETE_TO: {
                    "type": "string",
                    "description": "A number: when the message was sent, the stream had every event of this shop up "
                    "to it.",
                    "examples": ["1040"],
                },
            },
        },
        "FlowHeaders": {
            "type": "object",
            "required": [FINAL_TO, ACCOUNT],
            "properties": {
                FINAL_TO: {
                    "type": "string",
                    "description": "Up to this day the stream has every final one of this shop; empty if it has none.",
                    "examples": ["2025-11-20"],
                },
                ACCOUNT: {
                    "type": "string",
                    "description": "A digest of the shop of the vendor's cloud whose numbers they are.",
                    "examples": ["9f86d081884c7d659a2feaa0c55ad015"],
                },
            },
        },
        **{name: events[name] for name in names},
        SKIPPED_EVENT: make_event_schema("Stands for an event that the servers do not take, in its place.", skipped),
        **build_schemas(_MODELS, "validation"),
    }


def _refer_to_message(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/messages/{name}"}

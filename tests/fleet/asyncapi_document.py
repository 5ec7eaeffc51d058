"""The AsyncAPI document of a chain, ready to check messages."""

import json
import re
from collections.abc import Mapping

from gateway.api.asyncapi import build_asyncapi_document
from tests.api_document import ApiDocument


class ChainDocument:
    """Finds the channel of a subject, and checks what is published there."""

    def __init__(self) -> None:
        self.document = build_asyncapi_document()
        # What any event of the vendor has in it is the vendor's.
        self._schemas = ApiDocument({**self.document, "paths": {}}, open_schemas=["EventHeaders", "FlowHeaders"])
        self._patterns = {
            name: re.compile(re.sub(r"\\{(\w+)\\}", _match_parameter, re.escape(channel["address"])))
            for name, channel in self.document["channels"].items()
            if channel["address"] is not None
        }

    def find_channel(self, subject: str) -> str | None:
        """Return the name of the channel of a subject; None if there is none."""
        return next((name for name, pattern in self._patterns.items() if pattern.fullmatch(subject)), None)

    def find_mistake(self, subject: str, headers: Mapping[str, str] | None, payload: bytes) -> str | None:
        """Return how a message differs from the document; None if it does not. MQTT has no headers."""
        name = self.find_channel(subject)
        if name is None:
            return f"no channel has the subject {subject}"
        if (headers or {}).get("KV-Operation") and subject.startswith("$KV."):
            return "what removes a key has content" if payload else None
        content = json.loads(payload)
        messages = self.document["channels"][name]["messages"]
        if len(messages) > 1:
            named = content["type"]
            if re.split(r"[./]event[./]", subject, maxsplit=1)[1].replace("/", ".") != named:
                return f"a message of type {named} is at {subject}"
            message = named if named in messages else "other"
        else:
            [message] = messages
        return self.find_fault(message, subject, headers, content)

    def find_fault(self, message: str, subject: str, headers: Mapping[str, str] | None, content: object) -> str | None:
        """Return how content and headers differ from a message of the document; None if they do not."""
        declared = self.document["components"]["messages"][message]
        reference = declared.get("headers", {}).get("$ref", "")
        known = self.document["components"]["schemas"].get(reference.rpartition("/")[2], {}).get("properties", {})
        if unknown := {header for header in headers or () if header.startswith("Sunmi-")} - known.keys():
            return f"{subject}: the headers {sorted(unknown)} are not in the document"
        if "headers" in declared and headers is not None:
            mistake = self._schemas.find_mistake(declared["headers"]["$ref"], {**headers})
            if mistake:
                return f"{subject}: the headers: {mistake}"
        mistake = self._schemas.find_mistake(declared["payload"]["$ref"], content)
        return f"{subject}: {mistake}" if mistake else None


def _match_parameter(found: re.Match[str]) -> str:
    return r".+" if found[1] in ("type", "topic") else r"[^.]+"

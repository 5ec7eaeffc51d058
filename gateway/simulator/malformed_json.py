"""JSON as real cameras may print it: names are copied byte for byte, and lists are put together wrongly."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.protocol import json_text

FLAWED_NAMES: Final[Mapping[str, bytes]] = {
    "gbk": "老王家".encode("gbk"),
    "gbk_backslash": "誠品".encode("gbk"),  # the first character's second byte is a backslash
    "cut": "咖啡馆".encode()[:-1],
    "tab": b"Corner\tShop",
    "nul": b"\0" * 8,  # a hidden network
    "quote": b'Joe"s "Bar", 2nd floor',
    "backslash": b"Shop\\",
    "half_pair": rb"Shop \ud83d",
    "x_escape": rb"\xe8\x80\x81\xe7\x8e\x8b",
}
"""Names as they stand between the quotes, by the flaw."""
FLAWS: Final = (*FLAWED_NAMES, "comma", "bom", "trailing", "null_entry", "truncated")
"""Everything that may be wrong with a document."""

_NEIGHBOUR: Final = "\ue000 a neighbour's name"
_PLACE: Final = _NEIGHBOUR.encode()


def print_malformed(document: Mapping[str, Any], flaw: str) -> bytes:
    """Return a vendor response as JSON with one flaw: in the name of a neighbour's network, or else in the camera's.

    A `null_entry` and a `truncated` list cost one entry, which is added. Everything else can be read as it is meant.
    """
    data = document.get("data")
    if isinstance(data, Mapping) and "ap_list" in data:
        entries = data["ap_list"]
        neighbour = {"ssid": _NEIGHBOUR, "key_mgmt": "WPA-PSK"}
        order = [*entries, neighbour] if flaw == "truncated" else [neighbour, *entries]
        document = {**document, "data": {**data, "num": len(order), "ap_list": order}}
    elif isinstance(data, Mapping) and "name" in data and flaw in FLAWED_NAMES:
        document = {**document, "data": {**data, "name": _NEIGHBOUR}}
    text = json_text.dumps(document).encode()
    if flaw == "truncated" and _PLACE in text:
        return text[: text.index(_PLACE) + 4]
    text = text.replace(b'{"ssid":"' + _PLACE + b'"', b'{"ssid":(null)') if flaw == "null_entry" else text
    text = text.replace(_PLACE, FLAWED_NAMES.get(flaw, b"Neighbour"))
    match flaw:
        case "comma":
            return text.replace(b"]", b",]").replace(b"}", b",}")
        case "bom":
            return b"\xef\xbb\xbf" + text
        case "trailing":
            return text + b"\0\r\n"
    return text

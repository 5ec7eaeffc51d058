"""Which of the Wi-Fi networks that a camera sees is the one that a person named."""

import unicodedata
from collections.abc import Iterable, Sequence

from firmware_tools.language import count_message, message
from gateway.cameras.activation_probe import AccessPoint


def find_networks(access_points: Iterable[AccessPoint], ssid: str) -> list[AccessPoint]:
    """Return the access points with a name that reads the same: one letter may be spelled by different code points.

    Those that use WEP come last: no camera joins them.
    """
    wanted = unicodedata.normalize("NFC", ssid)
    found = [one for one in access_points if unicodedata.normalize("NFC", one.ssid) == wanted]
    return sorted(found, key=uses_wep)


def uses_wep(access_point: AccessPoint) -> bool:
    """Tell whether a network uses WEP, which cameras do not support."""
    return "WEP" in access_point.key_mgmt.upper()


def uses_wpa(access_point: AccessPoint) -> bool:
    """Tell whether a network needs a password."""
    return "WPA" in access_point.key_mgmt.upper()


def describe_networks(access_points: Sequence[AccessPoint]) -> str:
    """Return the names of the networks for people, and what to do about those that hide theirs."""
    hidden = [one for one in access_points if is_hidden(one)]
    names = ", ".join(dict.fromkeys(repr(one.ssid) for one in access_points if one not in hidden))
    if hidden:
        unnamed = count_message(
            "{count} that hides its name (if it is yours, say that it is hidden)",
            "{count} that hide their names (if yours is one of them, say that it is hidden)",
            len(hidden),
        )
        return message("{names} and {unnamed}", names=names, unnamed=unnamed) if names else unnamed
    return names or message("no network at all")


def is_hidden(access_point: AccessPoint) -> bool:
    """Tell whether a network hides its name."""
    return not access_point.ssid.strip("\0 ")

"""The vendor's request signature, as pure functions (NOTES: Signed text)."""

import hashlib
from collections.abc import Mapping


def string_to_sign(parameters: Mapping[str, str], key: str) -> str:
    """Return the text whose MD5 is the signature.

    `parameters` maps names to the exact text that is sent, before URL encoding: an array is its JSON text. The caller
    leaves files out. `sign` and empty values are skipped, names are sorted in ASCII order. `key` is the secret key, or
    the activation number for an activation.
    """
    pairs = [f"{name}={value}" for name, value in sorted(parameters.items()) if value and name != "sign"]
    return "&".join([*pairs, f"key={key}"])


def sign(parameters: Mapping[str, str], key: str) -> str:
    """Return the signature, 32 upper-case hexadecimal digits. The arguments are those of `string_to_sign`."""
    digest = hashlib.md5(string_to_sign(parameters, key).encode(), usedforsecurity=False)  # the vendor prescribes MD5
    return digest.hexdigest().upper()


def add_signature(
    parameters: Mapping[str, str], *, app_id: str, key: str, timestamp: int, random: str
) -> dict[str, str]:
    """Return the parameters together with the public ones: app_id, timestamp (Unix seconds), random and sign.

    `random` is 6 to 10 digits or letters (NOTES: Public parameters).
    """
    public = {**parameters, "app_id": app_id, "timestamp": str(timestamp), "random": random}
    return {**public, "sign": sign(public, key)}

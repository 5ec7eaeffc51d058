"""The files that the simulator keeps between its runs, so that a gateway's settings stay right when it starts again."""

import json
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from firmware_tools.language import message
from gateway.errors import StateError
from gateway.simulator.cloud_authority import CloudCertificateAuthority
from gateway.simulator.cloud_memory import CloudMemory
from gateway.storage.private_file import write_private

_PORTS_FILE_NAME = "simulator-ports.json"
_MEMORY_FILE_NAME = "simulated-cloud.json"


def default_directory() -> Path:
    """Return the simulator's own folder in the user's state directory."""
    return platformdirs.user_state_path("sunmi-gateway-simulator", appauthor=False)


def load_authority(ca_file: Path) -> CloudCertificateAuthority:
    """Return the cloud's certificate authority from a file and the key beside it. Make both if the key is missing.

    Raises `StateError` if the files cannot be used.
    """
    key_file = ca_file.with_suffix(".key")
    try:
        if key_file.exists():
            return CloudCertificateAuthority.load(ca_file.read_bytes(), key_file.read_bytes())
        authority = CloudCertificateAuthority.create()
        ca_file.parent.mkdir(parents=True, exist_ok=True)
        ca_file.write_text(authority.ca_pem, encoding="ascii")  # anybody may read it
        write_private(key_file, authority.key_pem.encode())
    except OSError as exc:
        raise StateError(
            message("{filename} cannot be used: {reason}", filename=exc.filename or ca_file, reason=exc)
        ) from exc
    except ValueError as exc:
        raise StateError(
            message(
                "{ca_file} and {key_file} are no certificate authority: {reason}; delete both",
                ca_file=ca_file,
                key_file=key_file,
                reason=exc,
            )
        ) from exc
    return authority


def load_ports(directory: Path) -> dict[str, int]:
    """Return the ports of the last run, by what serves there; empty if they are not known."""
    try:
        ports = json.loads((directory / _PORTS_FILE_NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    if not isinstance(ports, dict):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int) and 0 < port < 65536}


def save_ports(directory: Path, ports: Mapping[str, int]) -> None:
    """Keep ports for the next run, beside those of other services. Raises `StateError` if that fails."""
    file = directory / _PORTS_FILE_NAME
    try:
        write_private(file, json.dumps({**load_ports(directory), **ports}).encode())
    except OSError as exc:
        raise StateError(message("{file} cannot be written: {reason}", file=file, reason=exc)) from exc


def load_memory(directory: Path) -> CloudMemory:
    """Return what the cloud of the last run knew; nothing if there was none. Raises `StateError`."""
    file = directory / _MEMORY_FILE_NAME
    try:
        return CloudMemory.parse(file.read_bytes()) if file.exists() else CloudMemory()
    except (OSError, ValueError) as exc:
        reason = message("{file} cannot be read: {reason}; delete it to begin anew", file=file, reason=exc)
        raise StateError(reason) from exc


def save_memory(directory: Path, memory: CloudMemory) -> None:
    """Keep what the cloud knows for the next run. Raises `StateError` if that fails."""
    file = directory / _MEMORY_FILE_NAME
    try:
        write_private(file, memory.write())
    except OSError as exc:
        raise StateError(message("{file} cannot be written: {reason}", file=file, reason=exc)) from exc


def write_settings(file: Path, text: str) -> None:
    """Write a gateway's settings, which hold its secret key. Raises `StateError` if that fails."""
    try:
        write_private(file, text.encode())
    except OSError as exc:
        raise StateError(message("{file} cannot be written: {reason}", file=file, reason=exc)) from exc

"""NetworkManager over D-Bus. The one module that needs dbus-fast, so it is imported only where it is used."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, Self

from dbus_fast import BusType, DBusFastError, Message, MessageType, Variant, unpack_variants
from dbus_fast.aio import MessageBus

from firmware_tools.language import describe_error, message
from gateway.cameras.record import clean_text
from gateway.shop.hotspots.errors import HotspotsUnavailable, NetworkManagerError
from gateway.shop.hotspots.objects import NAME, ROOT, Objects, Settings, StateChange

_CALL_TIMEOUT_S: Final = 25.0
_CONNECT_TIMEOUT_S: Final = 5.0
_MAX_CHANGES: Final = 1000


class NetworkManager:
    """A connection to NetworkManager. What it activates bound to its client ends with this connection."""

    def __init__(self, bus: MessageBus) -> None:
        self._bus = bus

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, bus_address: str | None) -> AsyncIterator[Self]:
        """Connect through the system bus, or the bus at an address. Raises `HotspotsUnavailable`."""
        try:
            bus = MessageBus(bus_address, BusType.SYSTEM, auth_timeout=_CONNECT_TIMEOUT_S)
            async with asyncio.timeout(_CONNECT_TIMEOUT_S):
                await bus.connect()
        except (OSError, EOFError, TimeoutError, DBusFastError) as exc:
            raise HotspotsUnavailable(
                message(
                    "the system bus (D-Bus), on which NetworkManager is, cannot be reached ({reason}): install dbus "
                    "and network-manager, or join the camera's hotspot by hand",
                    reason=describe_error(exc) or type(exc).__name__,
                ),
                is_absent=True,
            ) from exc
        try:
            yield cls(bus)
        finally:
            bus.disconnect()
            with contextlib.suppress(OSError, EOFError):  # it was lost
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]  # the library says nothing

    async def call(self, path: str, interface: str, member: str, signature: str = "", *body: Any) -> list[Any]:
        """Call a method and return what it returns, without variants. `interface` is the part behind the name.

        Raises `NetworkManagerError` if it refuses, and `HotspotsUnavailable` if it does not answer.
        """
        suffix = f".{interface}" if interface else ""
        return await self._call(NAME, path, f"{NAME}{suffix}", member, signature, body)

    async def _call(
        self, destination: str, path: str, interface: str, member: str, signature: str, body: Sequence[Any]
    ) -> list[Any]:
        request = Message(
            destination=destination, path=path, interface=interface, member=member, signature=signature, body=[*body]
        )
        try:
            async with asyncio.timeout(_CALL_TIMEOUT_S):
                reply = await self._bus.call(request)
        except (OSError, EOFError, TimeoutError, DBusFastError) as exc:
            raise HotspotsUnavailable(
                message("NetworkManager does not answer ({member}): start it again, then try again", member=member)
            ) from exc
        if reply.message_type is MessageType.ERROR:
            text = reply.body[0] if reply.body and isinstance(reply.body[0], str) else ""
            raise NetworkManagerError(reply.error_name or "", clean_text(text))
        values: list[Any] = unpack_variants(reply.body)
        return values

    async def is_running(self) -> bool:
        """Tell whether NetworkManager is on the bus."""
        bus = "org.freedesktop.DBus"
        try:
            found = await self._call(bus, "/org/freedesktop/DBus", bus, "NameHasOwner", "s", [NAME])
        except NetworkManagerError:
            return False
        return found == [True]

    async def get_objects(self) -> Objects:
        """Return all its objects as they are now."""
        interface = "org.freedesktop.DBus.ObjectManager"
        found = await self._call(NAME, "/org/freedesktop", interface, "GetManagedObjects", "", [])
        return Objects(found[0])

    async def get_permissions(self) -> dict[str, str]:
        """Return what this process may do: `yes`, `no` or `auth` by the name of the permission."""
        found = await self.call(ROOT, "", "GetPermissions")
        return {str(name).removeprefix(f"{NAME}."): str(value) for name, value in found[0].items()}

    async def request_scan(self, device: str) -> None:
        """Have a Wi-Fi device search for networks, unless it has just done so."""
        with contextlib.suppress(NetworkManagerError):  # it searches already, or has just searched
            await self.call(device, "Device.Wireless", "RequestScan", "a{sv}", {})

    async def activate_volatile(self, settings: Settings, device: str, access_point: str) -> str:
        """Connect a device by settings that are never stored and end with this connection to the bus.

        Return the path of the active connection.
        """
        profile_settings = {
            group: {name: Variant(*typed) for name, typed in values.items()} for group, values in settings.items()
        }
        options = {"persist": Variant("s", "volatile"), "bind-activation": Variant("s", "dbus-client")}
        _, active, _ = await self.call(
            ROOT, "", "AddAndActivateConnection2", "a{sa{sv}}ooa{sv}", profile_settings, device, access_point, options
        )
        return str(active)

    async def create_checkpoint(self, device: str, timeout_s: int) -> str:
        """Remember what a device is connected to. After the timeout NetworkManager goes back to that by itself."""
        found = await self.call(ROOT, "", "CheckpointCreate", "aouu", [device], timeout_s, 0)
        return str(found[0])

    async def extend_checkpoint(self, checkpoint: str, timeout_s: int) -> None:
        """Let a checkpoint's timeout begin anew."""
        await self.call(ROOT, "", "CheckpointAdjustRollbackTimeout", "ou", checkpoint, timeout_s)

    async def roll_back(self, checkpoint: str) -> bool:
        """Go back to what was when a checkpoint was made. Return whether each device could be brought back."""
        found = await self.call(ROOT, "", "CheckpointRollback", "o", checkpoint)
        return not any(found[0].values())

    @contextlib.asynccontextmanager
    async def watch_device(self, device: str) -> AsyncIterator["asyncio.Queue[StateChange]"]:
        """Collect the changes of a device's state."""
        changes = asyncio.Queue[StateChange](_MAX_CHANGES)
        rule = f"type='signal',sender='{NAME}',path='{device}',interface='{NAME}.Device',member='StateChanged'"

        def take(received: Message) -> None:
            if (received.message_type, received.path, received.member, received.signature) == (
                MessageType.SIGNAL, device, "StateChanged", "uuu",
            ) and not changes.full():  # fmt: skip
                changes.put_nowait(StateChange(received.body[0], received.body[2]))

        self._bus.add_message_handler(take)
        bus = "org.freedesktop.DBus"
        try:
            await self._call(bus, "/org/freedesktop/DBus", bus, "AddMatch", "s", [rule])
            yield changes
        finally:
            self._bus.remove_message_handler(take)

"""A NetworkManager for tests: an object on a real bus that behaves as the real one does, as far as hotspots need it.

One Wi-Fi device, which may be connected to the shop's network; checkpoints with their timeouts; volatile profiles that
end with their client. The proof in a virtual machine shows that the real one does the same.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio import MessageBus

NAME: Final = "org.freedesktop.NetworkManager"
ROOT: Final = "/org/freedesktop/NetworkManager"
DEVICE: Final = f"{ROOT}/Devices/3"
SHOP: Final = "WeWork"
PERMISSIONS: Final = ("network-control", "settings.modify.system", "checkpoint-rollback", "wifi.scan")
DISCONNECTED, PREPARE, ACTIVATED, DEACTIVATING, FAILED = 30, 40, 100, 110, 120

Properties = dict[str, dict[str, Variant]]
"""The properties of one object, by interface and name, without `org.freedesktop.NetworkManager`."""


class SimulatedNetworkManager:
    """The service. Tests set its members, and look at what it was asked for."""

    def __init__(self, bus: MessageBus) -> None:
        self.bus = bus
        self.permissions = dict.fromkeys(PERMISSIONS, "yes")
        self.properties: dict[str, Variant] = {
            "NetworkingEnabled": Variant("b", True),
            "WirelessEnabled": Variant("b", True),
            "WirelessHardwareEnabled": Variant("b", True),
        }
        self.interface = "wlan0"
        self.has_wifi = True
        self.access_points: list[Properties] = []
        self.connected_to = SHOP
        """The profile by which the device is connected; empty if it is not."""
        self.mode = 2
        self.state = ACTIVATED
        self.address = "192.168.200.23"
        """What the device gets in a hotspot."""
        self.prefix = 24
        self.outcome: int | None = None
        """The reason for which joining fails; None if it succeeds."""
        self.joins_slowly = False
        """Whether joining never ends by itself."""
        self.forgets_shop = False
        """Whether it does not find the way back."""
        self.checkpoints: dict[str, tuple[str, asyncio.TimerHandle]] = {}
        """The profile to which a checkpoint goes back, and the clock that does so by itself."""
        self.profiles: list[tuple[dict[str, dict[str, Any]], dict[str, Any]]] = []
        """The settings and options of each connection that was asked for."""
        self.scans = 0
        self.scans_on_its_own = False
        self.calls: list[str] = []
        self.refusals: dict[str, tuple[str, str]] = {}
        """The name and text of the error with which a method is refused."""
        self.on_join: Callable[[], None] = lambda: None
        self._active = 1
        self._owner = ""
        self._checkpoint_count = 0
        self._scan_count = 1000

    async def start(self) -> None:
        """Take the name on the bus."""
        self.bus.add_message_handler(self._handle)
        rule = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'"
        bus = "org.freedesktop.DBus"
        await self.bus.call(
            Message(
                destination=bus, path="/org/freedesktop/DBus", interface=bus, member="AddMatch", signature="s",
                body=[rule],
            )
        )  # fmt: skip
        await self.bus.request_name(NAME)

    def offer(self, ssid: bytes, bssid: str, *, strength: int = 60, **more: Variant) -> None:
        """Let a network be seen."""
        properties = {
            "Ssid": Variant("ay", ssid), "HwAddress": Variant("s", bssid), "Strength": Variant("y", strength),
            "Flags": Variant("u", 0), "WpaFlags": Variant("u", 0), "RsnFlags": Variant("u", 0),
            "Mode": Variant("u", 2), **more,
        }  # fmt: skip
        self.access_points.append({"AccessPoint": properties})

    @property
    def profile_names(self) -> list[str]:
        """The profiles that it has now: those of the user, and a volatile one while that is in use."""
        return [SHOP, *({self.connected_to} - {SHOP, ""})]

    def _handle(self, request: Message) -> Message | bool:
        if request.message_type is MessageType.SIGNAL:
            if request.member == "NameOwnerChanged" and request.body[0] == self._owner and not request.body[2]:
                self._disconnect(39)  # bound to its client, which is gone
            return False
        if request.message_type is not MessageType.METHOD_CALL:
            return False
        self.calls.append(request.member or "")
        if self.scans_on_its_own:
            self._scan_count += 1
        if request.member in self.refusals:
            return Message.new_error(request, *self.refusals[request.member])
        return self._respond(request)

    def _respond(self, request: Message) -> Message | bool:
        match request.member:
            case "GetManagedObjects":
                return Message.new_method_return(request, "a{oa{sa{sv}}}", [self._list_objects()])
            case "GetPermissions":
                named = {f"{NAME}.{name}": value for name, value in self.permissions.items()}
                return Message.new_method_return(request, "a{ss}", [named])
            case "RequestScan":
                self.scans += 1
                self._scan_count += 1
                return Message.new_method_return(request)
            case "CheckpointCreate":
                return self._create_checkpoint(request)
            case "CheckpointAdjustRollbackTimeout":
                path, timeout_s = request.body
                if path not in self.checkpoints:
                    return Message.new_error(request, f"{NAME}.InvalidArguments", "checkpoint does not exist")
                profile, clock = self.checkpoints[path]
                clock.cancel()
                self.checkpoints[path] = (profile, self._start_clock(path, timeout_s))
                return Message.new_method_return(request)
            case "CheckpointRollback":
                if request.body[0] not in self.checkpoints:
                    return Message.new_error(request, f"{NAME}.InvalidArguments", "checkpoint does not exist")
                self._roll_back(request.body[0])
                return Message.new_method_return(request, "a{su}", [{DEVICE: 3 if self.forgets_shop else 0}])
            case "AddAndActivateConnection2":
                return self._activate(request)
        return False

    def _create_checkpoint(self, request: Message) -> Message:
        if self.checkpoints:
            text = f"device '{DEVICE}' is already included in checkpoint {next(iter(self.checkpoints))}"
            return Message.new_error(request, f"{NAME}.InvalidArguments", text)
        self._checkpoint_count += 1
        path = f"{ROOT}/Checkpoint/{self._checkpoint_count}"
        self.checkpoints[path] = (self.connected_to, self._start_clock(path, request.body[1]))
        return Message.new_method_return(request, "o", [path])

    def _start_clock(self, checkpoint: str, timeout_s: int) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(timeout_s, self._roll_back, checkpoint)

    def _roll_back(self, checkpoint: str) -> None:
        profile, clock = self.checkpoints.pop(checkpoint)
        clock.cancel()
        if self.forgets_shop or self.connected_to == profile:
            return
        self._disconnect(39)
        if profile:
            self.connected_to = profile
            self._active += 1
            self._change_state(PREPARE, 0)
            self._change_state(ACTIVATED, 0)

    def _activate(self, request: Message) -> Message:
        settings, _, _, options = request.body
        plain = {group: {name: value.value for name, value in values.items()} for group, values in settings.items()}
        self.profiles.append((plain, {name: value.value for name, value in options.items()}))
        self._disconnect(39)
        self._active += 1
        self._owner = request.sender or ""
        self.connected_to = plain["connection"]["id"]
        asyncio.get_running_loop().call_soon(self._join)
        return Message.new_method_return(request, "ooa{sv}", [f"{ROOT}/Settings/9", self._active_path, {}])

    def _join(self) -> None:
        self._change_state(PREPARE, 0)
        if self.joins_slowly:
            self.on_join()
        elif self.outcome is not None:
            self._change_state(FAILED, self.outcome)
            self._disconnect(0)
        else:
            self._change_state(ACTIVATED, 0)
            self.on_join()

    def _disconnect(self, reason: int) -> None:
        self._owner = ""
        if self.connected_to:
            self._change_state(DEACTIVATING, reason)
        self.connected_to = ""
        self._change_state(DISCONNECTED, reason)

    def _change_state(self, state: int, reason: int) -> None:
        before, self.state = self.state, state
        self.bus.send(
            Message(
                message_type=MessageType.SIGNAL, path=DEVICE, interface=f"{NAME}.Device", member="StateChanged",
                signature="uuu", body=[state, before, reason],
            )
        )  # fmt: skip

    @property
    def _active_path(self) -> str:
        return f"{ROOT}/ActiveConnection/{self._active}" if self.connected_to else "/"

    def _list_objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
        objects: dict[str, Properties] = {
            ROOT: {
                "": {
                    **self.properties,
                    "PrimaryConnection": Variant("o", self._active_path),
                    "Checkpoints": Variant("ao", list(self.checkpoints)),
                }
            },
            f"{ROOT}/Devices/1": {"Device": {"DeviceType": Variant("u", 1), "Interface": Variant("s", "eth0")}},
        }
        if self.has_wifi:
            objects[DEVICE] = {
                "Device": {
                    "DeviceType": Variant("u", 2),
                    "Interface": Variant("s", self.interface),
                    "State": Variant("u", self.state),
                    "ActiveConnection": Variant("o", self._active_path),
                    "Ip4Config": Variant("o", f"{ROOT}/IP4Config/1"),
                },
                "Device.Wireless": {
                    "Mode": Variant("u", self.mode),
                    "LastScan": Variant("x", self._scan_count),
                    "AccessPoints": Variant("ao", [f"{ROOT}/AccessPoint/{n}" for n in range(len(self.access_points))]),
                },
            }
            entry = {"address": Variant("s", self.address), "prefix": Variant("u", self.prefix)}
            objects[f"{ROOT}/IP4Config/1"] = {"IP4Config": {"AddressData": Variant("aa{sv}", [entry])}}
        if self.connected_to:
            active = {"Id": Variant("s", self.connected_to), "Uuid": Variant("s", f"uuid of {self.connected_to}")}
            objects[self._active_path] = {"Connection.Active": active}
        objects |= {f"{ROOT}/AccessPoint/{n}": properties for n, properties in enumerate(self.access_points)}
        return {
            path: {f"{NAME}.{interface}".rstrip("."): values for interface, values in interfaces.items()}
            for path, interfaces in objects.items()
        }

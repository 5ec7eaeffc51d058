"""What an interface is: one that may lead to a store's network, or one of containers, virtual machines or VPNs."""

import re
from pathlib import Path
from typing import Final

from firmware_tools.language import message

SYS_CLASS_NET: Final = Path("/sys/class/net")

_KINDS_BY_NAME: Final = {
    "containers": r"docker\d+|br-[0-9a-f]{12}|veth.*|lxcbr\d+|lxdbr\d+|cni\d+|podman\d+|flannel.*|cali[0-9a-f]{11}",
    "virtual machines": r"virbr\d+.*|vmnet\d+|vboxnet\d+",
    "a VPN": r"tun\d+|tap\d+|utun\d+|wg\d+|ppp\d+|tailscale\d+|zt[0-9a-z]{8}",
}
"""The names that programs give to their interfaces, as far as the system does not show what they are."""
_KINDS_BY_TYPE: Final = {"wireguard": "a VPN", "vxlan": "containers", "geneve": "containers", "gretap": "a VPN"}
"""Linux' types of interfaces."""
_ARPHRD_ETHER: Final = "1"
_ARPHRD_LOOPBACK: Final = "772"


def describe_virtual_interface(name: str, root: Path = SYS_CLASS_NET) -> str:
    """Return what an interface belongs to that leads to no store's network; an empty text for any other."""
    folder = root / name
    if not (folder / "type").exists():
        return _describe_by_name(name)
    if (folder / "tun_flags").exists() or _read(folder / "type") not in (_ARPHRD_ETHER, _ARPHRD_LOOPBACK):
        return message("a VPN or a mobile network")
    found = re.search(r"^DEVTYPE=(.*)$", _read(folder / "uevent"), re.MULTILINE)
    if found is not None and found[1] in _KINDS_BY_TYPE:
        return _KINDS_BY_TYPE[found[1]]
    if (folder / "bridge").exists():
        ports = [port.name for port in (folder / "brif").glob("*")]
        return (
            "" if any(_leads_to_hardware(root / port) for port in ports) else message("containers or virtual machines")
        )
    # A container's own end of a pair is its network, whatever its name; what programs name after them is the other end.
    return "" if _leads_to_hardware(folder) else _describe_by_name(name)


def _describe_by_name(name: str) -> str:
    return next((kind for kind, pattern in _KINDS_BY_NAME.items() if re.fullmatch(pattern, name)), "")


def _leads_to_hardware(folder: Path, depth: int = 4) -> bool:
    """Tell whether an interface is a device, or stands on one, as a VLAN or a bond does."""
    if (folder / "device").exists():
        return True
    return depth > 0 and any(_leads_to_hardware(lower, depth - 1) for lower in folder.glob("lower_*"))


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""

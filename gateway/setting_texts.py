"""What people call those settings that can be changed in the console or from the head office, and what they mean."""

from collections.abc import Mapping
from typing import Final, NamedTuple

from firmware_tools.language import Message, message


class SettingText(NamedTuple):
    """A setting in words."""

    label: Message
    """What people call it."""
    help: Message
    """What a person has to know to choose a value."""


SECTION_TEXTS: Final[Mapping[str, Message]] = {
    "server": message("Where tills reach the gateway"),
    "cloud": message("SUNMI's cloud"),
    "cameras": message("Calls of cameras"),
    "video": message("Pictures of cameras"),
    "discovery": message("How cameras are found"),
    "outbox": message("Calls that wait for the cloud"),
    "products": message("Products"),
    "labels": message("Shelf labels"),
    "provisioning": message("Setting up cameras"),
    "fleet": message("Link to the head office"),
}
"""What people call a section, by its name."""

SETTING_TEXTS: Final[Mapping[str, SettingText]] = {
    "server.host": SettingText(
        message("Address where it listens"), message("0.0.0.0 is every network of its machine.")
    ),
    "server.port": SettingText(
        message("Port of plain HTTP"), message("Tills and browsers reach the gateway there, without encryption.")
    ),
    "server.https_port": SettingText(message("Port of HTTPS"), message("0: none.")),
    "server.allow_plain_http": SettingText(
        message("Plain HTTP for everything"), message("Otherwise it serves little more than the authority's page.")
    ),
    "server.pos_deletes_products": SettingText(
        message("Tills may delete products"), message("Otherwise only administrators may.")
    ),
    "cloud.shop_id": SettingText(message("Shop at SUNMI"), message("The number shop_id, for calls that name no shop.")),
    "cloud.sunmi_shop_no": SettingText(
        message("Newer key of the shop"), message("The key sunmi_shop_no, which some calls want instead.")
    ),
    "cameras.port": SettingText(message("Port of the cameras"), message("They answer there by HTTPS.")),
    "cameras.timeout_s": SettingText(
        message("Time for the answer of a camera"), message("After that a call of it has failed.")
    ),
    "video.max_streams": SettingText(
        message("Live pictures at the same time"), message("Each takes about 50 MB of memory. 0: none.")
    ),
    "discovery.methods": SettingText(message("Ways to find cameras"), message("All three find the most cameras.")),
    "discovery.interfaces": SettingText(
        message("Networks to search"), message("Names such as eth0. Empty: every real network.")
    ),
    "discovery.addresses": SettingText(
        message("Addresses that are always tried"),
        message("Such as 192.168.1.20. For cameras in a network of their own."),
    ),
    "discovery.interval_s": SettingText(
        message("Time between searches"), message("0: only when somebody asks for it.")
    ),
    "discovery.broadcast_port": SettingText(
        message("Port to ask for cameras"), message("SUNMI's cameras listen at 10001, by UDP.")
    ),
    "outbox.max_bytes": SettingText(
        message("Room for calls that wait"), message("How much of the disk they may take while the cloud is away.")
    ),
    "products.timezone": SettingText(
        message("Time zone of the shop"),
        message("For times in lists of products that name none, such as Asia/Shanghai."),
    ),
    "products.vendor_path": SettingText(
        message("Path of the products"), message("SUNMI's cloud fetches them there. Empty: nowhere.")
    ),
    "labels.pushes_at_once": SettingText(
        message("Pictures of labels on their way"), message("Those behind them can still be replaced by newer ones.")
    ),
    "labels.confirm_within_s": SettingText(
        message("Time until a label shows its picture"), message("One that does not is reported after that.")
    ),
    "provisioning.ssid": SettingText(
        message("Wi-Fi of the cameras"), message("The network that new cameras are put on.")
    ),
    "provisioning.password": SettingText(
        message("Password of this Wi-Fi"), message("It is never shown. Leave it empty to keep the present one.")
    ),
    "provisioning.max_concurrency": SettingText(
        message("Cameras set up at the same time"), message("When a whole shop is set up.")
    ),
    "provisioning.event_wait_s": SettingText(
        message("Time for the first event of a camera"), message("When a whole shop is set up.")
    ),
    "fleet.servers": SettingText(
        message("Servers of the head office"),
        message("Such as office.example:4222. What cuts a shop off is taken back there."),
    ),
}
"""The words of each of these settings, by section and key."""

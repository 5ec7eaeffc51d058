"""What the user says of a card and its firmware."""

import pytest

from firmware_tools.card import CameraModel, CardSpec, FirmwareChannel, FirmwarePath
from firmware_tools.errors import InvalidInput
from firmware_tools.mac import Mac


def parse(mac: Mac, model: str | None, channel: str | None, version: str | None) -> CardSpec:
    return CardSpec.parse(str(mac), FirmwarePath.RECOVERY, model=model, channel=channel, version=version)


@pytest.mark.parametrize(
    ("model", "channel", "version", "expected"),
    [
        (None, None, None, (None, None, None)),
        ("ss", None, "1.2.0", (CameraModel.FM010, None, "1.2.0")),
        ("FM020", "UAT", None, (CameraModel.FM020, FirmwareChannel.UAT, None)),
        ("FS1", None, "1.12.0-release", (CameraModel.FM020, FirmwareChannel.RELEASE, "1.12.0-release")),
    ],
)
def test_model_channel_and_version_are_parsed(
    mac: Mac, model: str | None, channel: str | None, version: str | None, expected: tuple[object, ...]
) -> None:
    spec = parse(mac, model, channel, version)
    assert (spec.mac, spec.firmware_path) == (mac, FirmwarePath.RECOVERY)
    assert (spec.model, spec.channel, spec.version) == expected


@pytest.mark.parametrize(
    ("model", "channel", "version", "fault"),
    [
        ("FM030", None, None, "FM010"),
        (None, "beta", None, "uat or release"),
        (None, None, "v2", "1.2.0-release"),
        (None, "uat", "1.2.0-release", "does not belong to the uat channel"),
    ],
)
def test_invalid_and_contradictory_values_are_refused(
    mac: Mac, model: str | None, channel: str | None, version: str | None, fault: str
) -> None:
    with pytest.raises(InvalidInput, match=fault):
        parse(mac, model, channel, version)

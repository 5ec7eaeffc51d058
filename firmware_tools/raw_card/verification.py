"""Reading a card back and checking that it is a valid firmware card; the first fault is named."""

from collections.abc import Iterator

from firmware_tools.block_device import CHUNK_SIZE, BlockDevice
from firmware_tools.card import CardRecord, FirmwarePath
from firmware_tools.errors import CardFault
from firmware_tools.exfat.check import check_backup, check_folders
from firmware_tools.exfat.volume import ExfatVolume, LocatedEntry, RootFolder
from firmware_tools.language import describe_error, message
from firmware_tools.mac import Mac
from firmware_tools.progress import ProgressReporter
from firmware_tools.raw_card.layout import CardLayout, Region
from firmware_tools.size import MIB
from firmware_tools.verification import (
    FIRMWARE_FOLDER,
    ReadBackContent,
    VerificationResult,
    describe_misnamed_firmware,
    find_firmware_path,
    is_os_metadata,
    is_same_name,
)

_MAX_USUAL_CLUSTER_SIZE = MIB


def verify_card(
    device: BlockDevice,
    *,
    progress: ProgressReporter,
    mac: Mac | None = None,
    expected_sha256: bytes | None = None,
    is_fresh: bool = False,
) -> VerificationResult:
    """Read a card or an image and check all of it.

    A computer that looks at a card leaves traces that mean nothing. So only a card that is `fresh`, which nobody has
    touched since we wrote it, is compared byte for byte with what was written.

    Raises:
        IOFailed: it cannot be read. A fault of the card is not raised but returned.

    """
    result = VerificationResult()
    try:
        device.drop_cache()
        _verify(device, result, progress, mac, expected_sha256, is_fresh=is_fresh)
    except CardFault as fault:
        result.fault = describe_error(fault)
    return result


def _verify(
    device: BlockDevice,
    result: VerificationResult,
    progress: ProgressReporter,
    mac: Mac | None,
    expected_sha256: bytes | None,
    *,
    is_fresh: bool,
) -> None:
    """Fill in the result up to the first fault, which is raised."""
    volume = ExfatVolume(device)
    if volume.layout_fault:
        raise CardFault(volume.layout_fault)
    volume.boot_region.check_flags()
    result.record = record = CardRecord.from_oem_parameters(volume.boot_region.oem_parameters)
    check_backup(volume)
    root = volume.read_root()
    folders = check_folders(volume, root)
    _check_label(result, root, mac)
    path, firmware = _find_firmware(result, folders)
    result.firmware_path, result.firmware_size = path, firmware.file.length
    if record is not None:
        _check_record(record, mac, path)
    if not firmware.file.length or firmware.file.valid_length != firmware.file.length:
        raise CardFault(message("{path}: the file is empty or was not written to its end", path=firmware.path))
    if record is not None and is_fresh:
        _check_metadata(volume, record, firmware)
    content = _read_content(volume, firmware, progress)
    result.sha256 = content.sha256.hex()
    _check_content(result, firmware, content, expected_sha256)
    _add_notes(result, volume)


def _add_notes(result: VerificationResult, volume: ExfatVolume) -> None:
    if result.firmware_path is FirmwarePath.UPDATE_MISSPELLED:
        result.notes.append(
            message(
                "the file is named ip-up.bin, as one page of the vendor's documentation has it; cameras expect "
                "ipc-up.bin"
            )
        )
    cluster_size = volume.geometry.cluster_size
    if cluster_size > _MAX_USUAL_CLUSTER_SIZE:
        result.notes.append(
            message(
                "the clusters of the card have {size} MiB, which is unusual; if the camera does not update, format the "
                "card with the default size of allocation units",
                size=cluster_size >> 20,
            )
        )


def _check_label(result: VerificationResult, root: RootFolder, mac: Mac | None) -> None:
    if len(root.labels) != 1:
        raise CardFault(
            message("volume label: the card has none") if not root.labels else message("volume label: the card has two")
        )
    result.label = label = root.labels[0]
    recorded_mac = result.record.spec.mac if result.record else None
    for expected, origin in ((mac, message("as given")), (recorded_mac, message("as recorded on the card"))):
        if expected is not None and label != expected.volume_label:
            raise CardFault(
                message(
                    "volume label: it is {label!r}; camera {expected} ({origin}) needs {volume_label}",
                    label=label,
                    expected=expected,
                    origin=origin,
                    volume_label=expected.volume_label,
                )
            )
    if mac is None and recorded_mac is None:
        digits = label.removeprefix("SUNMI-")
        if label == digits or len(digits) != 4 or not set(digits) <= set("0123456789ABCDEF"):
            raise CardFault(
                message("volume label: it is {label!r}, not SUNMI- and four hex digits in capitals", label=label)
            )


def _find_firmware(
    result: VerificationResult, folders: dict[str, list[LocatedEntry]]
) -> tuple[FirmwarePath, LocatedEntry]:
    """Return the only firmware file; anything else on the card is a fault, except what a computer left there."""
    found: list[tuple[FirmwarePath, LocatedEntry]] = []
    foreign: list[str] = []
    for entries in folders.values():
        for entry in entries:
            top = entry.path.split("/")[0]
            path = find_firmware_path(entry.path)
            if is_os_metadata(top) or is_os_metadata(entry.file.name):
                if entry.path == top or is_same_name(top, FIRMWARE_FOLDER):
                    result.notes.append(
                        message("a computer left {path} on the card; cameras do not mind it", path=entry.path)
                    )
            elif path is not None and not entry.file.is_folder:
                found.append((path, entry))
            elif not is_same_name(entry.path, FIRMWARE_FOLDER) or not entry.file.is_folder:
                foreign.append(entry.path)
    if len(found) > 1:
        raise CardFault(
            message(
                "{files}: only one of them may be on a card", files=" and ".join((entry.path for _, entry in found))
            )
        )
    for name in foreign:
        raise CardFault(
            describe_misnamed_firmware(name) or message("{name}: it does not belong on a firmware card", name=name)
        )
    if not found:
        raise CardFault(message("firmware: there is no firmware file on the card"))
    path, entry = found[0]
    if path is FirmwarePath.RECOVERY and any(is_same_name(name, FIRMWARE_FOLDER) for name in folders):
        raise CardFault(message("firmware: this folder does not belong on a recovery card"))
    return path, entry


def _check_record(record: CardRecord, mac: Mac | None, path: FirmwarePath) -> None:
    if mac is not None and record.spec.mac != mac:
        raise CardFault(
            message("MAC address: the card was written for {other}, not for {mac}", other=record.spec.mac, mac=mac)
        )
    if record.spec.firmware_path is not path:
        raise CardFault(
            message("{path}: the card was written with {other}", path=path.value, other=record.spec.firmware_path.value)
        )


def _check_metadata(volume: ExfatVolume, record: CardRecord, firmware: LocatedEntry) -> None:
    """Compare everything but the firmware with what was written."""
    file = firmware.file
    label = record.spec.mac.volume_label
    layout = CardLayout(volume.geometry, label, firmware.path, file.length, file.timestamp)
    for region in _build_regions(layout, record):
        if not _is_unchanged(volume.device, region):
            raise CardFault(
                message("{region}: it was changed after the card was written; write the card again", region=region.name)
            )


def _build_regions(layout: CardLayout, record: CardRecord) -> Iterator[Region]:
    yield layout.build_partition_table(record)
    yield from layout.build_boot_regions(record)
    yield from layout.build_metadata()


def _is_unchanged(device: BlockDevice, region: Region) -> bool:
    for start in range(0, region.length, CHUNK_SIZE):
        length = min(CHUNK_SIZE, region.length - start)
        if device.read(region.offset + start, length) != region.data[start : start + length].ljust(length, b"\0"):
            return False
    return True


def _read_content(volume: ExfatVolume, firmware: LocatedEntry, progress: ProgressReporter) -> ReadBackContent:
    content = ReadBackContent()
    length = firmware.file.length
    with progress.phase(message("Reading back"), length) as advance:
        for chunk in volume.read_content(volume.find_clusters(firmware), length, MIB):
            content.add(chunk)
            advance(len(chunk))
    return content


def _check_content(
    result: VerificationResult, firmware: LocatedEntry, content: ReadBackContent, expected: bytes | None
) -> None:
    recorded = result.record.sha256 if result.record else None
    if expected is not None and expected != content.sha256:
        raise CardFault(
            message(
                "{path}: its SHA-256 is {sha256}, not the expected {hex}",
                path=firmware.path,
                sha256=result.sha256,
                hex=expected.hex(),
            )
        )
    if recorded is not None and recorded != content.sha256:
        raise CardFault(
            message(
                "{path}: its SHA-256 is {sha256}, but {hex} was written",
                path=firmware.path,
                sha256=result.sha256,
                hex=recorded.hex(),
            )
        )
    if expected is None and recorded is None:
        if fault := content.find_fault():
            raise CardFault(message("{file}: {fault}", file=firmware.path, fault=fault))
        result.notes.append(message("the content was compared with nothing: give --firmware or --sha256"))

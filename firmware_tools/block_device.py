"""Cards as block devices: a device or an image file, read and written at byte offsets."""

import contextlib
import errno
import os
import stat
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from firmware_tools.errors import InvalidInput, IOFailed
from firmware_tools.file_sync import sync_file
from firmware_tools.language import message
from firmware_tools.size import MIB, SECTOR_SIZE

CHUNK_SIZE = 4 * MIB
"""Bytes read or written at a time: enough for speed, little enough for memory."""
# Requests of ioctl: <linux/fs.h>.
_BLKROGET, _BLKGETSIZE64, _BLKFLSBUF, _BLKSSZGET = 0x125E, 0x80081272, 0x1261, 0x1268
_ZEROS = bytes(CHUNK_SIZE)


class BlockDevice(Protocol):
    """What writing, verifying and cleaning need of a card."""

    @property
    def name(self) -> str:
        """The name of the file or device, for messages."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly this many bytes; raise `IOFailed` if that is not possible."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the data; raise `IOFailed` if that is not possible."""

    def write_zeros(self, offset: int, length: int) -> None:
        """Write this many zero bytes; raise `IOFailed` if that is not possible."""

    def sync(self) -> None:
        """Return when all writes have reached the card; raise `IOFailed` if they cannot."""

    def drop_cache(self) -> None:
        """Drop what the system has cached, so that the next read comes from the card itself."""


class OpenBlockDevice:
    """An open image file or block device. A context manager; leaving it closes the file."""

    def __init__(
        self, descriptor: int, name: str, *, size: int, writable: bool, is_device: bool = False, is_zeroed: bool = False
    ) -> None:
        self._file = os.fdopen(descriptor, "r+b" if writable else "rb", buffering=0)
        self.name = name
        self.size = size
        self._is_device = is_device
        self._is_zeroed = is_zeroed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Errors are ignored: a write that matters was synced before."""
        with contextlib.suppress(OSError):
            self._file.close()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._file.fileno()

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly this many bytes."""
        chunks: list[bytes] = []
        missing = length
        try:
            self._file.seek(offset)
            while missing:
                chunk = self._file.read(missing)
                if not chunk:
                    raise IOFailed(
                        message(
                            "{name}: it ends at byte {offset}, sooner than it should",
                            name=self.name,
                            offset=offset + length - missing,
                        )
                    )
                chunks.append(chunk)
                missing -= len(chunk)
        except OSError as error:
            raise IOFailed.from_os_error(message("reading"), self.name, error) from error
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the data."""
        view = memoryview(data)
        try:
            self._file.seek(offset)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise IOFailed.from_os_error(message("writing"), self.name, error) from error

    def write_zeros(self, offset: int, length: int) -> None:
        """Write this many zero bytes; skipped in a new image file, which is zero already."""
        if self._is_zeroed:
            return
        for start in range(offset, offset + length, CHUNK_SIZE):
            self.write(start, memoryview(_ZEROS)[: min(CHUNK_SIZE, offset + length - start)])

    def sync(self) -> None:
        """Return when all writes have reached the card."""
        try:
            sync_file(self.fileno())
        except OSError as error:
            raise IOFailed.from_os_error(message("flushing"), self.name, error) from error

    def drop_cache(self) -> None:
        """Drop what the system has cached, where it can."""
        try:
            if self._is_device:
                _ioctl(self.fileno(), _BLKFLSBUF)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        except PermissionError:
            return  # a user without privileges may read a device, but not flush its cache
        except OSError as error:
            raise IOFailed.from_os_error(message("flushing"), self.name, error) from error


def create_image_file(path: Path, size: int) -> OpenBlockDevice:
    """Create an image file of this many zero bytes; raise `IOFailed` if it exists or cannot be created."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        device = OpenBlockDevice(descriptor, str(path), size=size, writable=True, is_zeroed=True)
    except OSError as error:
        raise IOFailed.from_os_error(message("creating"), str(path), error) from error
    try:
        os.truncate(descriptor, size)
    except OSError as error:
        with device:
            path.unlink(missing_ok=True)
        raise IOFailed.from_os_error(message("creating"), str(path), error) from error
    return device


def open_block_device(path: Path, *, writable: bool = False) -> OpenBlockDevice:
    """Open an existing image file or block device; a device is opened for writing exclusively.

    Exclusively: Linux refuses while the device or a partition of it is mounted or otherwise in use.

    Raises:
        InvalidInput: it does not exist, is a folder, or is neither a file nor a block device.
        IOFailed: the system refuses to open it.

    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InvalidInput(message("{path}: there is no such file or device", path=path)) from error
    except OSError as error:
        raise IOFailed.from_os_error(message("opening"), str(path), error) from error
    if stat.S_ISDIR(mode):
        raise InvalidInput(message("{path}: this is a folder; name an image file or a card's device", path=path))
    is_device = stat.S_ISBLK(mode)
    if not is_device and not stat.S_ISREG(mode):
        raise InvalidInput(message("{path}: this is neither an image file nor a card's device", path=path))
    if is_device and sys.platform != "linux":
        raise InvalidInput(
            message("{path}: devices can be opened on Linux only; name the mounted card instead", path=path)
        )
    flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    if is_device and writable:
        flags |= os.O_EXCL
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise IOFailed.from_os_error(message("opening"), str(path), error) from error
    try:
        if is_device and writable and _is_read_only(descriptor):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))  # Linux would only refuse the first write
        size = _read_device_size(descriptor) if is_device else os.fstat(descriptor).st_size
        return OpenBlockDevice(descriptor, str(path), size=size, writable=writable, is_device=is_device)
    except OSError as error:
        os.close(descriptor)
        raise IOFailed.from_os_error(message("opening"), str(path), error) from error


def _read_device_size(descriptor: int) -> int:
    sector_size = struct.unpack("i", _ioctl(descriptor, _BLKSSZGET, 4))[0]
    if sector_size != SECTOR_SIZE:
        raise OSError(
            errno.EINVAL,
            message("its sectors have {sector_size} bytes, and SD cards have 512", sector_size=sector_size),
        )
    size: int = struct.unpack("Q", _ioctl(descriptor, _BLKGETSIZE64, 8))[0]
    return size


def _is_read_only(descriptor: int) -> bool:
    return bool(struct.unpack("i", _ioctl(descriptor, _BLKROGET, 4))[0])


def _ioctl(descriptor: int, request: int, length: int = 0) -> bytes:
    import fcntl  # missing on Windows, where devices are never opened

    return fcntl.ioctl(descriptor, request, bytes(length)) if length else bytes(fcntl.ioctl(descriptor, request, 0))

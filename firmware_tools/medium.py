"""The bytes of a card: an image file or a block device, read and written at given places."""

import contextlib
import errno
import os
import stat
import struct
import sys
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from firmware_tools.errors import InputRefused, MediumFailed

CHUNK = 4 << 20
"""Bytes moved at a time: long enough to be quick, short enough for little memory."""
_ZEROS = bytes(CHUNK)


class Medium(Protocol):
    """What writing, verifying and cleaning need of a card."""

    @property
    def name(self) -> str:
        """The file's or device's name, for messages."""

    @property
    def size(self) -> int:
        """Size in bytes."""

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly this many bytes; raise `MediumFailed` if that is not possible."""

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the data; raise `MediumFailed` if that is not possible."""

    def zero(self, offset: int, length: int) -> None:
        """Make these bytes zero."""

    def sync(self) -> None:
        """Return when all that was written has reached the medium."""

    def forget(self) -> None:
        """Drop what the system remembers of the medium, so that reading asks the medium itself."""


class OpenMedium:
    """An open image file or block device. A context manager; leaving it closes the file."""

    def __init__(self, descriptor: int, name: str, *, size: int, is_device: bool, blank: bool = False) -> None:
        self._file = os.fdopen(descriptor, "r+b" if _writable(descriptor) else "rb", buffering=0)
        self.name = name
        self.size = size
        self._is_device = is_device
        self._blank = blank

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):  # what matters was synced, or has failed before
            self._file.close()

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._file.fileno()

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly this many bytes."""
        parts: list[bytes] = []
        missing = length
        try:
            self._file.seek(offset)
            while missing:
                part = self._file.read(missing)
                if not part:
                    raise MediumFailed(
                        f"{self.name}: it ends at byte {offset + length - missing}, sooner than it should"
                    )
                parts.append(part)
                missing -= len(part)
        except OSError as error:
            raise MediumFailed.during("reading", self.name, error) from error
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of the data."""
        view = memoryview(data)
        try:
            self._file.seek(offset)
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise MediumFailed.during("writing", self.name, error) from error

    def zero(self, offset: int, length: int) -> None:
        """Make these bytes zero; a new image's are zero already and stay unwritten."""
        if self._blank:
            return
        for start in range(offset, offset + length, CHUNK):
            self.write(start, memoryview(_ZEROS)[: min(CHUNK, offset + length - start)])

    def sync(self) -> None:
        """Flush to the medium."""
        try:
            os.fsync(self.fileno())
            if sys.platform == "darwin":
                import fcntl

                fcntl.fcntl(self.fileno(), fcntl.F_FULLFSYNC)
        except OSError as error:
            raise MediumFailed.during("flushing", self.name, error) from error

    def forget(self) -> None:
        """Drop the system's cache of this medium, where the system can."""
        try:
            if self._is_device:
                _device_control(self.fileno(), _BLKFLSBUF)
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(self.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        except PermissionError:
            return  # an ordinary user may read a device, but not flush its cache
        except OSError as error:
            raise MediumFailed.during("flushing", self.name, error) from error


def create_image(path: Path, size: int) -> OpenMedium:
    """Create a new image file of this many zero bytes; raise `MediumFailed` if it exists or cannot be made."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
        medium = OpenMedium(descriptor, str(path), size=size, is_device=False, blank=True)
    except OSError as error:
        raise MediumFailed.during("creating", str(path), error) from error
    try:
        os.truncate(descriptor, size)
    except OSError as error:
        with medium:
            path.unlink(missing_ok=True)
        raise MediumFailed.during("creating", str(path), error) from error
    return medium


def open_medium(path: Path, *, writable: bool = False) -> OpenMedium:
    """Open an existing image or block device; a device to be written is opened exclusively.

    Exclusive means that Linux refuses while the device, or a partition of it, is mounted or otherwise in use.

    Raises:
        InputRefused: it is missing, a folder, or neither file nor block device.
        MediumFailed: the system does not let us open it.

    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError as error:
        raise InputRefused(f"{path}: there is no such file or device") from error
    except OSError as error:
        raise MediumFailed.during("opening", str(path), error) from error
    if stat.S_ISDIR(mode):
        raise InputRefused(f"{path}: this is a folder; name an image file or a card's device")
    is_device = stat.S_ISBLK(mode)
    if not is_device and not stat.S_ISREG(mode):
        raise InputRefused(f"{path}: this is neither an image file nor a card's device")
    if is_device and sys.platform != "linux":
        raise InputRefused(f"{path}: devices can be opened on Linux only; name the mounted card instead")
    flags = (os.O_RDWR if writable else os.O_RDONLY) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    if is_device and writable:
        flags |= os.O_EXCL
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise MediumFailed.during("opening", str(path), error) from error
    try:
        if is_device and writable and _is_read_only(descriptor):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))  # Linux would only refuse the first write
        size = _device_size(descriptor) if is_device else os.fstat(descriptor).st_size
        return OpenMedium(descriptor, str(path), size=size, is_device=is_device)
    except OSError as error:
        os.close(descriptor)
        raise MediumFailed.during("opening", str(path), error) from error


_BLKROGET, _BLKGETSIZE64, _BLKFLSBUF, _BLKSSZGET = 0x125E, 0x80081272, 0x1261, 0x1268


def _device_size(descriptor: int) -> int:
    sector_size = struct.unpack("i", _device_control(descriptor, _BLKSSZGET, 4))[0]
    if sector_size != 512:
        raise OSError(errno.EINVAL, f"its sectors have {sector_size} bytes, and SD cards have 512")
    size: int = struct.unpack("Q", _device_control(descriptor, _BLKGETSIZE64, 8))[0]
    return size


def _is_read_only(descriptor: int) -> bool:
    return bool(struct.unpack("i", _device_control(descriptor, _BLKROGET, 4))[0])


def _device_control(descriptor: int, request: int, length: int = 0) -> bytes:
    import fcntl  # not on Windows, where no device gets this far

    return fcntl.ioctl(descriptor, request, bytes(length)) if length else bytes(fcntl.ioctl(descriptor, request, 0))


def _writable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return True
    import fcntl

    return fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY

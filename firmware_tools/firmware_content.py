"""What can be no firmware: error messages saved instead of a download, documents, programs, pictures, archives.

The vendor's format is not documented. So a file is refused only if it is known to be something else.
"""

import re
from pathlib import PurePath

from firmware_tools.language import message
from firmware_tools.size import format_size

MIN_FIRMWARE_SIZE = 64 << 10
"""Bytes. A camera's firmware has many times as many; what is smaller is an error message or a fragment."""
CONTENT_HEAD_SIZE = MIN_FIRMWARE_SIZE
"""How much of the start of a file `find_content_fault` looks at."""
INCOMPLETE_SUFFIXES = (".crdownload", ".part", ".partial", ".download", ".opdownload", ".aria2", ".tmp", ".!ut")
"""Endings of the names of unfinished downloads."""

_MIN_INNER_SIGNATURE_SIZE = 4
"""Shorter signatures may stand at the start of a later part by chance."""
_ARCHIVES = {
    b"PK\x03\x04": "zip",
    b"PK\x05\x06": "zip",
    b"PK\x07\x08": "zip",
    b"Rar!\x1a\x07": "RAR",
    b"7z\xbc\xaf\x27\x1c": "7-Zip",
    b"\x1f\x8b\x08": "gzip",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\x04\x22\x4d\x18": "lz4",
    b"MSCF": "cabinet",
    b"!<arch>\n": "Debian",
}
_OTHER_KINDS = {
    b"%PDF-": message("a PDF document"),
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": message("an Office document or an installer of Windows"),
    b"MZ": message("a program for Windows"),
    b"\xcf\xfa\xed\xfe": message("a program for macOS"),
    b"\xca\xfe\xba\xbe": message("a program for macOS"),
    b"\x4c\x00\x00\x00\x01\x14\x02\x00": message("a shortcut of Windows"),
    b"bplist00": message("a shortcut of macOS"),
    b"\x89PNG\r\n\x1a\n": message("a picture (PNG)"),
    b"\xff\xd8\xff": message("a picture (JPEG)"),
    b"GIF8": message("a picture (GIF)"),
    b"II*\x00": message("a picture (TIFF)"),
    b"MM\x00*": message("a picture (TIFF)"),
    b"RIFF": message("a picture, a sound or a video (RIFF)"),
    b"ID3": message("a sound (MP3)"),
    b"SQLite format 3\x00": message("a database (SQLite)"),
}
_ARM64_KERNEL = slice(56, 60), b"ARM\x64"
"""A kernel for 64-bit ARM may begin like a program for Windows."""
_WEB_PAGE = re.compile(
    rb"\s*(?:<!--(?:(?!-->).)*-->\s*)*<(!doctype\s+html|html|head|body|\?xml)", re.IGNORECASE | re.DOTALL
)
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"
_UTF8_BOM = b"\xef\xbb\xbf"
_UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f]")


def find_content_fault(head: bytes, *, is_first: bool = True) -> str | None:
    """Return what the start of a firmware, or of a later part of one, shows it to be instead; None if it may be one."""
    for signature, kind in _ARCHIVES.items():
        if head.startswith(signature) and (is_first or len(signature) >= _MIN_INNER_SIGNATURE_SIZE):
            return message("this is a {kind} archive; unpack it and name the firmware file inside", kind=kind)
    if head[257:262] == b"ustar":
        return message("this is a tar archive; unpack it and name the firmware file inside")
    other_kind = _find_text_kind(head) or _find_other_kind(head, is_first=is_first)
    return (
        message("this is {other_kind}, no firmware; download the firmware again", other_kind=other_kind)
        if other_kind
        else None
    )


def find_size_fault(size: int) -> str | None:
    """Return why a firmware of this many bytes can be none, or None."""
    if size < MIN_FIRMWARE_SIZE:
        return message("with {size} it is too small to be a firmware; download it again", size=format_size(size))
    return None


def find_name_fault(name: str) -> str | None:
    """Return why a file of this name can be no firmware, or None."""
    if PurePath(name).suffix.lower() in INCOMPLETE_SUFFIXES:
        return message("by its name it is an unfinished download; wait until it is complete, or download it again")
    return None


def _find_other_kind(head: bytes, *, is_first: bool) -> str | None:
    for signature, kind in _OTHER_KINDS.items():
        if head.startswith(signature) and (is_first or len(signature) >= _MIN_INNER_SIGNATURE_SIZE):
            place, mark = _ARM64_KERNEL
            return None if signature == b"MZ" and head[place] == mark else kind
    if is_first and head[:2] == b"BM" and head[6:10] == bytes(4):
        return "a picture (BMP)"
    if head[4:8] == b"ftyp":
        return "a picture or a video (MP4)"
    return None


def _find_text_kind(head: bytes) -> str | None:
    if _WEB_PAGE.match(head.removeprefix(_UTF8_BOM)):
        return "a web page, probably an error page"
    text = _decode_text(head)
    if text is None:
        return None
    if head.startswith(_LFS_POINTER):
        return message("a pointer of Git LFS, which stands for the file")
    if text.lstrip("\ufeff \t\r\n")[:1] in ("{", "["):
        return "a message in JSON, probably an error message"
    return "text"


def _decode_text(head: bytes) -> str | None:
    """Return the text that the bytes are; None if they are no text."""
    for encoding in ("utf-16",) if head.startswith(_UTF16_BOMS) else ("utf-8", "gb18030"):
        for cut in range(min(4, len(head))):  # the last character may be cut
            try:
                text = head[: len(head) - cut].decode(encoding)
            except UnicodeDecodeError:
                continue
            if not _NO_TEXT.search(text):
                return text
    return None

"""The first sign-in without a command line: a pairing code on the attached screen until somebody has signed in.

Whoever can write to the boot partition may have chosen a code there, which is good too, for some minutes.

The login prompt of a screen (agetty) shows the files in `/run/issue.d`, and shows them again when `/run/agetty.reload`
is touched.
"""

import contextlib
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from firmware_tools.language import Language, message, translate
from gateway.access.pairing import PairingCode
from gateway.api.addresses import find_console_urls
from gateway.app import Gateway
from gateway.errors import StateError
from gateway.protocol.endpoint import Scope
from gateway.runtime.supervisor import Service
from gateway.runtime.systemd import PAIRING_CODE_FILE, find_runtime_directory

RENEW_BEFORE_S: Final = 180.0
"""A code that is good for less than this many seconds is replaced: its reader needs time to type it."""
_RUN_DIRECTORY: Final = Path("/run")
_INTERVAL_S: Final = 15.0
"""How often the screen is brought up to date: addresses change, and somebody signs in."""
_SESSION_NAME: Final = "console"
_WHAT_TO_DO: Final = message(
    "SUNMI store gateway: to set it up, open one of these addresses in a browser of the same network, "
    "and type the code."
)


class FirstSignIn:
    """Shows a pairing code on the attached screen as long as there is neither a token nor a session.

    As an async context manager it does so until the end of the block, if the system's login prompt shows files.
    """

    def __init__(self, gateway: Gateway, *, run_directory: Path = _RUN_DIRECTORY) -> None:
        """Take the gateway, and the folder of the system's run-time files."""
        self._gateway = gateway
        self._file = run_directory / "issue.d" / "sunmi-gateway.issue"
        self._reload = run_directory / "agetty.reload"
        self._code: PairingCode[Scope] | None = None
        """The code on the screen."""
        self._shown: str | None = None
        """The text on the screen; None if it may be one of a gateway that was killed."""
        self._service: Service | None = None

    async def __aenter__(self) -> Self:
        self._offer_chosen_code()
        if os.access(self._file, os.W_OK) or os.access(self._file.parent, os.W_OK):
            self._service = self._gateway.supervisor.start_periodic(
                "first sign-in", self.update, interval_s=_INTERVAL_S, run_at_start=True
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._service is not None:
            await self._service.stop()
            with contextlib.suppress(StateError):
                self._clear()

    def _offer_chosen_code(self) -> None:
        """Offer the code that was in a file on the boot partition, if there was one, and forget it."""
        folder = find_runtime_directory()
        if folder is None:
            return
        file = folder / PAIRING_CODE_FILE
        with contextlib.suppress(FileNotFoundError):
            code = file.read_text(encoding="ascii")
            file.unlink()
            self._gateway.pairing.offer(code, _SESSION_NAME, ["admin"])

    async def update(self) -> None:
        """Show a code that is good, or none if somebody has a token or a session. Raises `StateError`."""
        if self._gateway.tokens.all():
            self._clear()
            return
        pairing = self._gateway.pairing
        if self._code is None or pairing.remaining_s(self._code) < RENEW_BEFORE_S:
            self._code = pairing.create(_SESSION_NAME, ["admin"])
        self._show(_describe(self._code, find_console_urls(self._gateway)))

    def _clear(self) -> None:
        """Take the code from the screen. It is good no longer."""
        if self._code is not None:
            self._gateway.pairing.withdraw(self._code)
            self._code = None
        self._show("")

    def _show(self, text: str) -> None:
        """Replace the text on the screen; an empty one removes the file, or its content where that is not allowed."""
        if text == self._shown or not (text or self._file.exists()):
            return
        try:
            # In place, since the service may write this file, but not its folder. Only the prompt, as root, reads it.
            descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with open(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
            if not text:
                with contextlib.suppress(OSError):
                    self._file.unlink()
        except OSError as exc:
            raise StateError(message("{file} cannot be written: {reason}", file=self._file, reason=exc)) from exc
        self._shown = text
        with contextlib.suppress(OSError):  # a prompt that does not notice shows it when it is used next
            os.utime(self._reload)


def _describe(code: PairingCode[Scope], urls: list[str]) -> str:
    """Return what the screen shows, in both languages: nobody has chosen one yet."""
    lines = [
        "",
        *(translate(_WHAT_TO_DO, language) for language in Language),
        "",
        *(f"    {url}" for url in urls),
        "",
        f"    {code.readable}",
        "",
        "",
    ]
    return "\n".join(lines)

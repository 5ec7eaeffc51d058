"""A repository of packages behind a web server that does what a broken or hostile one does.

`hostile_repository.py FOLDER PORT` serves a folder on loopback. The file `FOLDER.mood` says how, and may change at any
time. The standard library is all that it has, so that it runs in any Debian.
"""

import contextlib
import http.server
import sys
import time
from pathlib import Path
from typing import Final

MOODS: Final = (
    *("silent", "slow", "endless headers", "endless index", "large index", "endless package", "large package"),
    *("elsewhere", "another package", "login page", "broken"),
)
"""What it does instead of what it should."""
PAUSE_S: Final = 0.2
"""How long a slow one waits before each byte."""
_CHUNK: Final = b"x" * 65536


class HostileRepository(http.server.ThreadingHTTPServer):
    """Serves a folder, in the mood of the moment."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.folder = folder
        self.requests: list[str] = []
        """The paths that were asked for."""
        self.sent = 0
        """How many bytes went out in bad moods."""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def mood(self) -> str:
        """One of `MOODS`, or nothing: then it does what it should. `elsewhere` and `another package` say `at WHERE`."""
        file = self.folder.with_suffix(".mood")
        return file.read_text().strip() if file.exists() else ""

    @mood.setter
    def mood(self, mood: str) -> None:
        self.folder.with_suffix(".mood").write_text(mood)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that has had enough."""


class _Handler(http.server.SimpleHTTPRequestHandler):
    server: HostileRepository

    def __init__(self, *words: object) -> None:
        super().__init__(*words, directory=str(words[2].folder))  # type: ignore[arg-type, attr-defined]

    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        mood, _, where = self.server.mood.partition(" at ")
        is_package = self.path.endswith(".deb")
        if mood == "silent":
            self._wait()
        elif mood == "slow":
            self._begin(10_000)
            while self._send(b"x"):
                time.sleep(PAUSE_S)
        elif mood == "endless headers":
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            while self._send(b"X-More: " + _CHUNK + b"\r\n"):
                pass
        elif mood == "elsewhere":
            self.send_response(302)
            self.send_header("Location", f"{where}{self.path}")
            self.end_headers()
        elif mood == "another package" and is_package:
            self._begin(Path(self.translate_path(self.path)).stat().st_size)
            self._send(Path(where).read_bytes())
            self._wait()
        elif mood == "login page":
            page = b"<!DOCTYPE html><title>Welcome to our Wi-Fi</title>"
            self._begin(len(page))
            self._send(page)
        elif mood == "broken":
            self.send_error(500, "Something \x1b[31mis broken")
        elif mood in ("endless index", "endless package") and is_package == mood.endswith("package"):
            self.protocol_version = "HTTP/1.1"
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            while self._send(b"%x\r\n%b\r\n" % (len(_CHUNK), _CHUNK)):
                pass
        elif mood in ("large index", "large package") and is_package == mood.endswith("package"):
            self._begin(1 << 40)
            while self._send(_CHUNK):
                pass
        else:
            super().do_GET()

    def _begin(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, content: bytes) -> bool:
        """Send something; return whether the client is still there."""
        try:
            self.wfile.write(content)
            self.wfile.flush()
        except OSError:
            return False
        self.server.sent += len(content)
        return True

    def _wait(self) -> None:
        """Say nothing until the client has had enough."""
        with contextlib.suppress(OSError):
            while self.rfile.read(1):
                pass


if __name__ == "__main__":
    HostileRepository(Path(sys.argv[1]), int(sys.argv[2])).serve_forever()

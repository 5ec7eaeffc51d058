"""A home of GnuPG with a key, for as long as a test needs it."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator


@contextlib.contextmanager
def make_gnupg_home() -> Iterator[list[str]]:
    """Make a home with a new key that signs; give the command that uses it."""
    # The path of the agent's socket has to be short. The agent takes its sockets away while it ends.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        gpg = ["gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", ""]
        try:
            subprocess.run([*gpg, "--quick-gen-key", "packages of the chain", "ed25519", "sign", "never"], check=True)
            yield gpg
        finally:
            subprocess.run(["gpgconf", "--homedir", home, "--kill", "gpg-agent"], check=True)

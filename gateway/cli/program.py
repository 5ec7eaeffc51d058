"""How this program was called, for commands that are shown to be pasted."""

import shlex
import sys
from pathlib import Path


def write_program() -> str:
    """Return what begins a command line that runs the same program: it need not be on the PATH."""
    if Path(sys.argv[0]).stem == "sunmi-gateway":
        return shlex.quote(str(Path(sys.argv[0]).absolute()))
    return f"{shlex.quote(sys.executable)} -m gateway"

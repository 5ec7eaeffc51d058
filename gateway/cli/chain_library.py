"""Whether the libraries are installed with which a chain's servers are spoken to."""

from firmware_tools.language import message
from gateway.cli.command import fail


def require_chain_library() -> None:
    """Fail if one of them is not installed."""
    try:
        import nacl.signing  # noqa: F401  only whether they are there
        import nats.aio.client  # noqa: F401
    except ImportError as exc:
        fail(
            message(
                "a chain needs nats-py and PyNaCl: install the Debian package, or run pip install '.[fleet]' in the "
                "folder of the gateway's source: {reason}",
                reason=exc,
            )
        )

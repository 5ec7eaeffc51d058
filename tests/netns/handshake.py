"""One TLS handshake with a camera as a program: `python -m tests.netns.handshake HOST INTERFACE`.

It prints the fingerprint of the certificate.
"""

import asyncio
import sys

from gateway.cameras.connection import fetch_certificate_sha256
from gateway.discovery.camera_tls import camera_tls_context

if __name__ == "__main__":
    tls = camera_tls_context(None, "")
    print(asyncio.run(fetch_certificate_sha256(sys.argv[1], 443, tls, 5, interface=sys.argv[2])))  # noqa: T201

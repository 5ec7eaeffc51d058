"""A gateway that serves with chosen `[server]` settings, on loopback and without cameras."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.api.server import serve
from gateway.app import Gateway
from gateway.settings import Settings


@dataclass(frozen=True)
class Served:
    """The gateway, and its base URLs; `encrypted` is empty if HTTPS is off."""

    gateway: Gateway
    plain: str
    encrypted: str

    @property
    def https_port(self) -> int:
        return self.gateway.settings.server.https_port


@asynccontextmanager
async def served(
    tmp_path: Path, *, cloud: Any = None, hooks: Any = None, products: Any = None, limits: Any = None, **server: object
) -> AsyncIterator[Served]:
    settings = Settings.model_validate(
        {
            "server": {"host": "127.0.0.1", "port": 0} | server,
            "cloud": cloud or {},
            "hooks": hooks or {},
            "products": products or {},
            "storage": {"directory": str(tmp_path / "state")},
            "discovery": {"interfaces": ["lo"], "interval_s": 0},
        }
    )
    gateway = await Gateway.open(settings)
    try:
        async with serve(gateway, limits) as urls:
            yield Served(gateway, urls[0], urls[1] if len(urls) > 1 else "")
    finally:
        await gateway.close()

"""The peer: a pass-through proxy in aiohttp that neither checks nor signs. Arguments: port, upstream port."""

import ssl
import sys

import aiohttp
from aiohttp import web

PORT, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])


async def forward(request: web.Request) -> web.Response:
    index = int(request.match_info["sn"][-2:])
    url = f"https://127.0.1.{index}:{UPSTREAM}/openapi/{request.match_info['path']}"
    body = await request.read()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    async with request.app[SESSION].post(url, data=body, headers=headers) as response:
        return web.Response(body=await response.read(), status=response.status, content_type="application/json")


SESSION = web.AppKey("session", aiohttp.ClientSession)


async def application() -> web.Application:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    app = web.Application()
    app[SESSION] = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=context, limit=0))

    async def close(_: web.Application) -> None:
        await app[SESSION].close()

    app.on_cleanup.append(close)
    app.router.add_post("/api/v1/cameras/{sn}/openapi/{path:.+}", forward)
    return app


web.run_app(application(), host="127.0.0.1", port=PORT, access_log=None, print=lambda *_: None)

"""A bare aiohttp server that says hello: what a process of this kind costs at least. Argument: port."""

import sys

from aiohttp import web


async def hello(_: web.Request) -> web.Response:
    return web.Response(text="hello")


app = web.Application()
app.router.add_get("/healthz", hello)
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)

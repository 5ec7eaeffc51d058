"""A cloud that costs little: takes orders over HTTPS and counts them. Arguments: port, certificate, key.

`GET /healthz` answers `{orders, products, requests, first, last}`: how many orders, products and requests with orders
have come, and when the first and the last of these requests were read, in seconds of the monotonic clock. `GET
/numbers` answers every order number.
"""

import json
import ssl
import sys
import time
from urllib.parse import parse_qs

from aiohttp import web

PORT, CERTIFICATE, KEY = int(sys.argv[1]), sys.argv[2], sys.argv[3]
bodies: list[bytes] = []
times: list[float] = []
orders = products = 0


async def take(request: web.Request) -> web.Response:
    global orders, products
    body = await request.read()
    if len(body) > 1024 * 1024:
        return web.Response(status=413)
    if request.path.endswith("/order/update"):
        times.append(time.monotonic())
        orders += body.count(b"order_no")
        bodies.append(body)
    elif request.path.endswith("/product/create"):
        products += body.count(b"bar_code")
    return web.json_response({"code": 0, "msg": "succeed", "data": {"invalid_list": []}})


async def count(_: web.Request) -> web.Response:
    first, last = (times[0], times[-1]) if times else (0, 0)
    return web.json_response(
        {"orders": orders, "products": products, "requests": len(bodies), "first": first, "last": last}
    )


async def numbers(_: web.Request) -> web.Response:
    lists = (json.loads(parse_qs(body.decode())["order_list"][0]) for body in bodies)
    return web.json_response([order["order_no"] for each in lists for order in each])


app = web.Application(client_max_size=4 * 1024 * 1024)
app.router.add_get("/healthz", count)
app.router.add_get("/numbers", numbers)
app.router.add_post("/openapi/{path:.+}", take)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(CERTIFICATE, KEY)
web.run_app(app, host="127.0.0.1", port=PORT, ssl_context=context, access_log=None, print=lambda *_: None)

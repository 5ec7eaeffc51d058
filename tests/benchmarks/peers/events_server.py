"""A server of the event stream benchmark: the gateway, or a bare loop that writes to the same aiohttp responses.

`events_server.py PORT gateway|bare SETTINGS_FILE`. POST /tick?rate=R&seconds=S makes R events a second for a while.
"""

import asyncio
import resource
import sys
import time
from pathlib import Path

from aiohttp import web

sys.path.insert(0, str(Path(__file__).parents[3]))

from gateway.api.connections import ConnectionLimits
from gateway.api.server import serve
from gateway.app import Gateway
from gateway.events.event import NewEvent
from gateway.settings import load_settings

PAYLOAD = {"face_id": "29195", "gender": "male", "age_range": "19-28", "group_id": "8927", "group_type": "regular"}


async def bare(port: int) -> None:
    """Serve the stream with one loop that awaits a write to every response."""
    responses: list[web.StreamResponse] = []

    async def stream(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"retry: 2000\n\n")
        responses.append(response)
        await asyncio.Event().wait()
        return response

    async def tick(request: web.Request) -> web.Response:
        number = 0
        async for _ in beats(request):
            number += 1
            text = (
                f'{{"id":"{number}","time":"2026-11-22T02:43:03.883Z","type":"face.seen","source":"cloud",'
                f'"camera":"FS101D8BS00001","data":{{"face_id":"29195","gender":"male","age_range":"19-28",'
                f'"group_id":"8927","group_type":"regular","sent":{time.monotonic_ns()}}}}}'
            )
            frame = f"id: 926504-{number}\ndata: {text}\n\n".encode()
            for response in responses.copy():
                try:
                    await response.write(frame)
                except ConnectionError:
                    responses.remove(response)
        return web.json_response({"events": number})

    app = web.Application()
    app.router.add_get("/api/v1/events", stream)
    app.router.add_post("/tick", tick)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def beats(request: web.Request):  # type: ignore[no-untyped-def]
    """Yield so many times a second, for a while."""
    rate, seconds = float(request.query["rate"]), float(request.query["seconds"])
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, began + number / rate - time.monotonic()))
        yield number


async def gateway(port: int, settings: str) -> None:
    """Serve the stream as the product does; events go through its journal."""
    opened = await Gateway.open(load_settings(Path(settings)))

    async def tick(request: web.Request) -> web.Response:
        tasks = []
        async for _ in beats(request):
            data = PAYLOAD | {"sent": time.monotonic_ns()}
            draft = NewEvent("face.seen", "cloud", data, "FS101D8BS00001", personal=True, face_id="29195")
            tasks.append(asyncio.create_task(opened.event_log.append(draft)))
        await asyncio.gather(*tasks)
        return web.json_response({"events": len(tasks)})

    app = web.Application()
    app.router.add_post("/tick", tick)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port + 1).start()
    # The readers are on this machine, from which the product admits fewer.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 16384), most))
    async with serve(opened, ConnectionLimits(from_loopback=1024, per_address=1024)):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(bare(int(sys.argv[1])) if sys.argv[2] == "bare" else gateway(int(sys.argv[1]), sys.argv[3]))

"""A peer: the same pass-through in FastAPI with httpx. Arguments: port, upstream port."""

import sys

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response

PORT, UPSTREAM = int(sys.argv[1]), int(sys.argv[2])
app = FastAPI()
client = httpx.AsyncClient(verify=False, limits=httpx.Limits(max_connections=None))  # noqa: S501  loopback


@app.post("/api/v1/cameras/{sn}/openapi/{path:path}")
async def forward(sn: str, path: str, request: Request) -> Response:
    url = f"https://127.0.1.{int(sn[-2:])}:{UPSTREAM}/openapi/{path}"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await client.post(url, content=await request.body(), headers=headers)
    return Response(answer.content, answer.status_code, media_type="application/json")


uvicorn.run(app, host="127.0.0.1", port=PORT, log_level="warning")

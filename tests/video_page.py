"""Ten lines of Media Source in a browser that watch a camera, and read from the picture which frame it is."""

from typing import Any, NamedTuple

import aiohttp

from gateway.app import Gateway
from gateway.simulator.video.clip import FRAME_RATE, current_frame, load_clip
from tests.browser import Page

_WATCH = """
const url = PATH, squares = [...Array(7).keys()], began = performance.now();
const video = document.createElement("video"), canvas = document.createElement("canvas");
const picture = canvas.getContext("2d", {willReadFrequently: true});
Object.assign(video, {muted: true, width: 640, height: 360});
[canvas.width, canvas.height] = [640, 360];
document.body.append(video);
Object.assign(window, {states: [], frames: [], first_ms: null, errors: []});
video.onerror = () => window.errors.push(video.error.message);

let buffer, waiting;
const append = () => { if (buffer && !buffer.updating && waiting.length) buffer.appendBuffer(waiting.shift()); };
const follow = () => {
    const end = video.buffered.length ? video.buffered.end(video.buffered.length - 1) : 0;
    if (end - video.currentTime > 0.3) video.currentTime = end - 0.01;  // to the live edge, also across a gap
    append();
};
const socket = new WebSocket(url);
socket.binaryType = "arraybuffer";
socket.onmessage = ({data}) => {
    if (typeof data !== "string") { waiting.push(data); append(); return; }
    const status = JSON.parse(data);
    window.states.push(status.state);
    if (status.state !== "live") return;
    [waiting, buffer] = [[], null];
    const source = new MediaSource();
    source.onsourceopen = () => {
        buffer = source.addSourceBuffer(`video/mp4; codecs="${status.codec}"`);
        buffer.onupdateend = follow;
        append();
    };
    video.src = URL.createObjectURL(source);
    video.play();
};

const read = () => {
    picture.drawImage(video, 0, 0, 640, 360);
    const lit = bit => picture.getImageData(120 + 64 * bit, 324, 1, 1).data[0] > 128;
    window.first_ms ??= performance.now() - began;
    window.frames.push(squares.reduce((number, bit) => number + (lit(bit) << bit), 0));
    video.requestVideoFrameCallback(read);
};
video.requestVideoFrameCallback(read);
"""


class Seen(NamedTuple):
    """What a page has seen so far."""

    states: list[str]
    """The states that it was told."""
    frames: list[int]
    """The number of each frame that was shown, in the loop of the clip."""
    first_s: float | None
    """When the first frame was shown, after the WebSocket was opened."""
    behind_s: float
    """How far the frame that is shown now is behind the camera."""
    errors: list[str]
    """What the browser says of a failure."""


async def create_ticket(gateway: Gateway, url: str) -> str:
    """Return a ticket of a new token that may see pictures."""
    headers = {"Authorization": f"Bearer {await gateway.tokens.create('a browser', 'pos', 'media')}"}
    async with aiohttp.ClientSession(url, headers=headers) as http, http.post("/api/v1/events/tickets") as response:
        ticket: str = (await response.json())["ticket"]
        return ticket


async def watch(page: Page, path: str) -> None:
    """Let a page watch a picture; `path` is that of the WebSocket, with a ticket."""
    await page.run(_WATCH.replace("PATH", repr(path)))


async def look(page: Page) -> Seen:
    """Return what a page has seen."""
    seen: dict[str, Any] = await page.run(
        "return {states: window.states, frames: window.frames, first_ms: window.first_ms, errors: window.errors}"
    )
    count = len(load_clip().frames)
    shown = seen["frames"][-1] if seen["frames"] else 0
    first_s = None if seen["first_ms"] is None else seen["first_ms"] / 1000
    behind_s = (current_frame() - shown) % count / FRAME_RATE
    return Seen(seen["states"], seen["frames"], first_s, behind_s, seen["errors"])

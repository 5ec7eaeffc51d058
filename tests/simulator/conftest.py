"""Calls to the simulators written out by the vendor's rules, without the gateway's own client or signature."""

import hashlib
import io
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import pytest
from PIL import Image

from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.camera_state import SimulatedAccessPoint
from gateway.simulator.cloud import SimulatedCloud

Call = Callable[..., Awaitable[dict[str, Any]]]

APP_ID = "JO83UNV983U9OR"
SECRET_KEY = "kdsofkdsnflke9382938k"
CLOUD_ACCOUNTS = {"APPID6917LTY": "tokenlty123"}
"""As the examples of the vendor's page Product APIs, section 6, use it."""
CLOUD_SHOPS = {"7948": "100000007948", "10096": "100000010096", "10087": "100000010087", "15220": "100000015220"}
WIFI = (
    SimulatedAccessPoint("WeWork", "WPA-PSK"),
    SimulatedAccessPoint("Open Air", "NONE"),
    SimulatedAccessPoint("Attic", "WEP"),
)


def draw_picture(size: tuple[int, int] = (212, 104), color: str = "white", **options: Any) -> bytes:
    """Return a picture of one colour as a file, PNG unless `format` says otherwise."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, **{"format": "PNG", **options})
    return file.getvalue()


def sign_by_hand(fields: Mapping[str, str], key: str) -> str:
    """Sign as the vendor's activation sample shows: str1, "&key=", the key, MD5 in upper case."""
    str1 = "&".join(f"{name}={fields[name]}" for name in sorted(fields) if fields[name] and name != "sign")
    return hashlib.md5(f"{str1}&key={key}".encode(), usedforsecurity=False).hexdigest().upper()


@pytest.fixture
def lenient_context() -> ssl.SSLContext:
    """Make a client context that accepts every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@pytest.fixture
async def http(lenient_context: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=lenient_context)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        yield session


@pytest.fixture
def sign() -> Callable[[Mapping[str, str], str], str]:
    return sign_by_hand


@pytest.fixture
def signed() -> Callable[..., dict[str, str]]:
    """Add app_id, timestamp, a new random and sign."""
    numbers = itertools.count(100000)

    def add(fields: Mapping[str, str] | None = None, *, app_id: str = APP_ID, key: str = SECRET_KEY) -> dict[str, str]:
        public = {"app_id": app_id, "timestamp": str(int(time.time())), "random": str(next(numbers))}
        whole = {**public, **(fields or {})}
        return {**whole, "sign": sign_by_hand(whole, key)}

    return add


@pytest.fixture
def post(http: aiohttp.ClientSession) -> Call:
    """POST a form to a camera and return the JSON response."""

    async def call(camera: SimulatedCamera, path: str, fields: Mapping[str, str] | None = None) -> dict[str, Any]:
        async with http.post(f"https://{camera.address}/openapi/{path}", data=fields or {}) as response:
            assert response.status == 200, await response.text()
            document: dict[str, Any] = await response.json()
            return document

    return call


@pytest.fixture
async def make_camera() -> AsyncIterator[Callable[..., Awaitable[SimulatedCamera]]]:
    """Start cameras that are stopped at the end; what is not given is as in the vendor's worked example."""
    cameras: list[SimulatedCamera] = []

    async def make(**given: Any) -> SimulatedCamera:
        usual = {
            "sn": "FS101D8BS00106", "model": "FM020", "mac": "04:12:24:E3:45:12", "app_id": APP_ID,
            "secret_key": SECRET_KEY, "activation_number": "12345678", "wifi_networks": WIFI,
            "wifi_passwords": {"WeWork": "1234567890"}, "rejoin_s": 0.05, "reboot_s": 0.05,
        }  # fmt: skip
        camera = SimulatedCamera(**{**usual, **given})
        await camera.start()
        cameras.append(camera)
        return camera

    yield make
    for camera in cameras:
        await camera.stop()


@pytest.fixture
async def camera(make_camera: Callable[..., Awaitable[SimulatedCamera]]) -> SimulatedCamera:
    """Start an activated camera on Ethernet."""
    return await make_camera(activated=True)


@pytest.fixture
async def new_camera(make_camera: Callable[..., Awaitable[SimulatedCamera]]) -> SimulatedCamera:
    """Start a factory-new camera on Ethernet."""
    return await make_camera()


@pytest.fixture
async def make_cloud() -> AsyncIterator[Callable[..., Awaitable[SimulatedCloud]]]:
    """Start clouds that are stopped at the end; account and shops are those of the vendor's samples."""
    clouds: list[SimulatedCloud] = []

    async def make(**given: Any) -> SimulatedCloud:
        cloud = SimulatedCloud(**{"accounts": CLOUD_ACCOUNTS, "shops": CLOUD_SHOPS, **given})
        await cloud.start()
        clouds.append(cloud)
        return cloud

    yield make
    for cloud in clouds:
        await cloud.stop()


@pytest.fixture
async def cloud(make_cloud: Callable[..., Awaitable[SimulatedCloud]]) -> SimulatedCloud:
    return await make_cloud()


@pytest.fixture
def ask(http: aiohttp.ClientSession, signed: Callable[..., dict[str, str]]) -> Call:
    """Call the cloud as an account of the samples, in shop 7948 unless another is given; return the JSON response."""

    async def call(
        cloud: SimulatedCloud, path: str, files: Mapping[str, bytes] | None = None, /, **given: Any
    ) -> dict[str, Any]:
        fields = {
            name: value if isinstance(value, str) else json.dumps(value)
            for name, value in {"shop_id": "7948", **given}.items()
        }
        public = signed(fields, app_id="APPID6917LTY", key=CLOUD_ACCOUNTS["APPID6917LTY"])
        data: Any = public
        if files:
            data = aiohttp.FormData(public)
            for name, content in files.items():
                data.add_field(name, io.BytesIO(content), filename=f"{name}.png", content_type="image/png")
        async with http.post(f"{cloud.base_url}/{path}", data=data) as response:
            assert response.status == 200, await response.text()
            document: dict[str, Any] = await response.json()
            return document

    return call

"""Pictures of simulated cameras, through a real ffmpeg."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from gateway.app import Gateway
from gateway.cameras.video.video import CameraVideo
from gateway.cloud.streams import CloudStreams
from gateway.settings import VideoSettings
from gateway.simulator.camera import SimulatedCamera
from gateway.simulator.store import SimulatedStore
from tests.api.conftest import gateway, store  # noqa: F401  fixtures
from tests.search import manage

NewVideo = Callable[..., CameraVideo]


@pytest.fixture
def ffmpeg() -> str:
    """Return the path of ffmpeg, or skip the test."""
    found = shutil.which("ffmpeg")
    if found is None:
        pytest.skip("ffmpeg is not installed")
    return found


@pytest.fixture
async def camera(store: SimulatedStore, gateway: Gateway) -> SimulatedCamera:  # noqa: F811
    """Return a camera that is activated by this account, found and managed."""
    await manage(gateway, store.cameras[0])
    return store.cameras[0]


@pytest.fixture
async def new_video(gateway: Gateway, store: SimulatedStore) -> AsyncIterator[NewVideo]:  # noqa: F811
    """Make pictures that notice and forget quickly, with a limit that the test sets."""
    async with AsyncExitStack() as opened:

        async def find_ipc_id(sn: str) -> str | None:
            cameras = store.cloud.state.shops[store.shop_id].cameras.values()
            return next((one.ipc_id for one in cameras if one.sn == sn), None)

        def make(*, max_streams: int = 2, **given: Any) -> CameraVideo:
            settings = VideoSettings(max_streams=max_streams)

            cloud = CloudStreams(
                gateway.cloud, gateway.settings.cloud, gateway.supervisor, find_ipc_id=find_ipc_id, further_hosts=()
            )  # fmt: skip
            quick = {"idle_s": 0.2, "stall_timeout_s": 1.0} | given
            video = CameraVideo(gateway.cameras, gateway.registry, gateway.supervisor, settings, cloud, **quick)
            opened.push_async_callback(video.close)
            return video

        yield make


@pytest.fixture
def video(ffmpeg: str, new_video: NewVideo) -> CameraVideo:
    return new_video()

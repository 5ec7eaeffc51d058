"""Responses about the pictures of cameras."""

from typing import Literal

from pydantic import Field

from gateway.api.models.document import Document


class PictureStreamDocument(Document):
    """How the live picture of a camera is."""

    state: Literal["starting", "live", "frozen", "unsupported"] | None = Field(
        description="`starting` before the first picture, `live` while pictures come, `frozen` when none comes any "
        "more, `unsupported` for a codec that browsers do not show; null while nobody watches."
    )
    codec: str | None = Field(
        description="The codec, as Media Source wants it; null before the first picture.", examples=["avc1.42C016"]
    )
    width: int | None = Field(description="Width of the picture in pixels.", examples=[1280])
    height: int | None = Field(description="Height of the picture in pixels.", examples=[720])
    problem: str | None = Field(description="Why there is no live picture; null if there is one.")
    source: Literal["camera", "cloud"] | None = Field(
        description="Where the picture comes from: the camera itself, or the cloud where its firmware has no stream."
    )
    viewers: int = Field(description="How many watch it.", examples=[1])
    rtsp_url: str | None = Field(
        description="Where a recorder finds the picture. Whoever knows it sees the picture, so only callers of scope "
        "`installer` get it. Null if the camera has no such address.",
        examples=["rtsp://192.168.1.51/0123456789ABCDEF0123456789ABCDEF/live_fhd.sdp"],
    )

"""Camera endpoints `media/*`: the camera's own streams, which need no cloud (NOTES: Camera streams)."""

from gateway.protocol.endpoint import Endpoint, ResponseField
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import camera_codes

ENDPOINTS = (
    Endpoint(
        path="media/getLiveStream",
        side="camera",
        title="Get Live Stream",
        source="Video Stream",
        confidence="high",
        scope="media",
        response_fields=(
            ResponseField("hd_live_url", "string", "The live picture in high definition, as RTSP.", secret=True),
            ResponseField("fhd_live_url", "string", "The live picture in full high definition, as RTSP.", secret=True),
        ),
        return_codes=camera_codes(0, 1, 3, 5, 7, 232),
        repeatable=True,
        note="Whoever knows an address sees the picture. Older firmware may lack this endpoint.",
    ),
    Endpoint(
        path="media/getPlaybackStream",
        side="camera",
        title="Get Playback Stream",
        source="Video Stream",
        confidence="high",
        scope="media",
        parameters=tuple(
            Parameter(
                name=name,
                type="int",
                required=True,
                min=0,
                format="timestamp",
                description=f"{meaning}, Unix time in seconds.",
                example=example,
            )
            for name, meaning, example in (("start_time", "Start", 1578969264), ("end_time", "End", 1578969324))
        ),
        response_fields=(
            ResponseField("playback_url", "string", "What the memory card has of that time, as RTSP.", secret=True),
        ),
        return_codes=camera_codes(0, 1, 3, 5, 7, 230, 235),
        repeatable=True,
        note="Whoever knows the address sees the picture. Older firmware may lack this endpoint.",
    ),
)

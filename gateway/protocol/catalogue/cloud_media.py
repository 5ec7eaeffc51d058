"""Cloud endpoints `media/*`: live pictures and recordings."""

from gateway.protocol.catalogue.answers import rows, text, whole
from gateway.protocol.catalogue.shop import IPC_ID, SHOP, STORE_CODES, cloud_endpoint, pages
from gateway.protocol.codes import cloud_codes
from gateway.protocol.parameters import Choice, Parameter, Span

_RESOLUTION = Parameter(
    name="resolution",
    type="int",
    required=True,
    choices=(Choice(0, "super high definition"), Choice(1, "high definition")),
    description="Resolution of the stream.",
    example=0,
)


def _moment(name: str, description: str) -> Parameter:
    return Parameter(
        name=name,
        type="int",
        required=True,
        min=0,
        format="timestamp",
        description=f"{description}, Unix time in seconds.",
        example=1578969264,
    )


_INTERVAL = (_moment("start_time", "Start"), _moment("end_time", "End"))
_STREAM = (text("url", "The stream as FLV."), text("hls_url", "The stream as HLS."))
_NO_DEVICE = {
    5011: "error in communication with the device",
    5501: "the IPC does not exist",
    5510: "unbound device",
}

ENDPOINTS = (
    cloud_endpoint(
        path="media/live/start",
        title="Enable Remote Live-Broadcasting",
        source="Cloud API, 7.3.1",
        scope="pos",
        parameters=(*SHOP, IPC_ID, _RESOLUTION),
        answer=_STREAM,
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE}),
    ),
    cloud_endpoint(
        path="media/live/stop",
        title="End Live",
        source="Cloud API, 7.3.2",
        scope="pos",
        parameters=(*SHOP, IPC_ID, _RESOLUTION),
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/video/getList",
        title="Acquire the List of Video for Playback",
        source="Cloud API, 7.3.4",
        scope="pos",
        parameters=(*SHOP, IPC_ID, *_INTERVAL),
        limits=(Span("start_time", "end_time", 3600, "seconds"),),
        answer=(
            whole("total_count", "Number of recordings."),
            *rows(
                "video_list",
                "The recordings.",
                text("ipc_id", "The camera."),
                text("url", "The recording."),
                whole("start_time", "Unix time in seconds."),
                whole("end_time", "Unix time in seconds."),
            ),
        ),
        return_codes=cloud_codes({**STORE_CODES, 5021: "invalid parameter (the time interval overruns the limit)"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/motionDetection/getList",
        title="Acquire the List of Motion Detection Videos",
        source="Cloud API, 7.3.5",
        scope="pos",
        parameters=(*SHOP, IPC_ID, *_INTERVAL, *pages(max_size=100)),
        answer=(
            whole("total_num", "Number of recordings."),
            *rows(
                "video_list",
                "The recordings of this page.",
                text("source", "What was noticed: 1 motion, 2 sound, 3 both."),
                whole("detect_time", "When, Unix time in seconds."),
                text("url", "The recording."),
            ),
        ),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
        # (NOTES: List totals)
        note="The total is total_num here.",
    ),
    cloud_endpoint(
        path="media/playback/getSnapshot",
        title="Acquire the Monitoring Images in a Specified Time Range",
        source="Cloud API, 7.3.6",
        scope="pos",
        parameters=(*SHOP, IPC_ID, _moment("time", "When the picture was taken")),
        answer=(text("snapshot_url", "The picture."),),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/live/getSnapshot",
        title="Acquire the Real-Time Monitoring Image",
        source="Cloud API, 7.3.7",
        scope="pos",
        parameters=(*SHOP, IPC_ID),
        answer=(text("snapshot_url", "The picture; it can be fetched for one day."),),
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE, 5515: "the screenshot time overruns the limit"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/playback/start",
        title="Start Remote Playback",
        source="Cloud API, 7.3.8",
        scope="pos",
        availability="developing",
        parameters=(*SHOP, IPC_ID, *_INTERVAL),
        answer=(*_STREAM, text("client_id", "Names the playback, to end it.")),
        return_codes=cloud_codes(
            {
                5021: "illegal parameter (time interval exceeding limit)",
                5041: "no shop_id parameter found in the request",
                5087: "unmatched data",
                5088: "database error",
                5506: "no data found",
            }
        ),
        # (NOTES: Availability)
        note="Called developing in the list, yet fully described. The sample's hls_url ends in .flv; live streams end "
        "in .m3u8. The limit of the interval is not stated.",
    ),
    cloud_endpoint(
        path="media/playback/stop",
        title="End Remote Playback",
        source="Cloud API, 7.3.9",
        scope="pos",
        availability="developing",
        parameters=(
            Parameter(
                name="client_id",
                type="string",
                required=True,
                description="The playback, as media/playback/start named it.",
                example="SAAS-OpenAPI_1211497245552152576",
            ),
        ),
        return_codes=cloud_codes({5020: "invalid parameter"}),
        repeatable=True,
        # (NOTES: Availability)
        note="Called developing in the list, yet fully described.",
    ),
)

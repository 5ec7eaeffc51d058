"""Cloud endpoints `media/*`: live pictures and recordings."""

from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field
from gateway.protocol.catalogue.shop import IPC_ID, SHOP_PARAMETERS, STORE_CODES, cloud_endpoint, page_parameters
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.period_limit import PeriodLimit
from gateway.protocol.return_codes import cloud_codes

_RESOLUTION = Parameter(
    name="resolution",
    type="int",
    required=True,
    choices=(Choice(0, "super high definition"), Choice(1, "high definition")),
    description="Resolution of the stream.",
    example=0,
)


def _time_parameter(name: str, description: str) -> Parameter:
    return Parameter(
        name=name,
        type="int",
        required=True,
        min=0,
        format="timestamp",
        description=f"{description}, Unix time in seconds.",
        example=1578969264,
    )


_INTERVAL = (_time_parameter("start_time", "Start"), _time_parameter("end_time", "End"))
_STREAM = (string_field("url", "The stream as FLV."), string_field("hls_url", "The stream as HLS."))
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
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID, _RESOLUTION),
        response_fields=_STREAM,
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE}),
    ),
    cloud_endpoint(
        path="media/live/stop",
        title="End Live",
        source="Cloud API, 7.3.2",
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID, _RESOLUTION),
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/video/getList",
        title="Acquire the List of Video for Playback",
        source="Cloud API, 7.3.4",
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID, *_INTERVAL),
        limits=(PeriodLimit("start_time", "end_time", 3600, "seconds"),),
        response_fields=(
            int_field("total_count", "Number of recordings."),
            *object_list(
                "video_list",
                "The recordings.",
                string_field("ipc_id", "The camera."),
                string_field("url", "The recording."),
                int_field("start_time", "Unix time in seconds."),
                int_field("end_time", "Unix time in seconds."),
            ),
        ),
        return_codes=cloud_codes({**STORE_CODES, 5021: "invalid parameter (the time interval overruns the limit)"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/motionDetection/getList",
        title="Acquire the List of Motion Detection Videos",
        source="Cloud API, 7.3.5",
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID, *_INTERVAL, *page_parameters(max_size=100)),
        response_fields=(
            int_field("total_num", "Number of recordings."),
            *object_list(
                "video_list",
                "The recordings of this page.",
                string_field("source", "What was noticed: 1 motion, 2 sound, 3 both."),
                int_field("detect_time", "When, Unix time in seconds."),
                string_field("url", "The recording."),
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
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID, _time_parameter("time", "When the picture was taken")),
        response_fields=(string_field("snapshot_url", "The picture."),),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/live/getSnapshot",
        title="Acquire the Real-Time Monitoring Image",
        source="Cloud API, 7.3.7",
        scope="media",
        parameters=(*SHOP_PARAMETERS, IPC_ID),
        response_fields=(string_field("snapshot_url", "The picture; it can be fetched for one day."),),
        return_codes=cloud_codes({**STORE_CODES, **_NO_DEVICE, 5515: "the screenshot time overruns the limit"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="media/playback/start",
        title="Start Remote Playback",
        source="Cloud API, 7.3.8",
        confidence="medium",
        scope="media",
        availability="developing",
        parameters=(*SHOP_PARAMETERS, IPC_ID, *_INTERVAL),
        response_fields=(*_STREAM, string_field("client_id", "Names the playback, to end it.")),
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
        confidence="medium",
        scope="media",
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

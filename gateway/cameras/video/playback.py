"""What a camera has recorded, played once to one viewer."""

from typing import Final

from firmware_tools.language import message
from gateway.cameras.video.fragments import FragmentParser, InitSegment, MalformedFragments
from gateway.cameras.video.live_stream import START_TIMEOUT_S, read_in_time
from gateway.cameras.video.source import Period, PictureSource
from gateway.cameras.video.viewer import StreamStatus, Viewer
from gateway.errors import FieldError, InvalidRequest, Problem

MAX_PERIOD_S: Final = 3600
"""The longest time that is played at once, in seconds."""


def check_period(period: Period) -> None:
    """Raise `InvalidRequest` if a period is empty or too long."""
    if not 0 < period.end - period.start <= MAX_PERIOD_S:
        reason = message("must be after start_time, by at most {max_period_s} s", max_period_s=MAX_PERIOD_S)
        raise InvalidRequest([FieldError("end_time", reason)])


async def play(sn: str, period: Period, source: PictureSource, viewer: Viewer) -> None:
    """Send a recording to a viewer, and end it with a status that says why. It is not begun again."""
    status = StreamStatus("ended")
    try:
        async with source.open(sn, period) as picture:
            parser = FragmentParser()
            segment: InitSegment | None = None
            while data := await read_in_time(picture, START_TIMEOUT_S):
                for part in parser.feed(data):
                    if isinstance(part, InitSegment):
                        segment = part
                        status = _begin(sn, viewer, segment)
                    else:
                        viewer.send(part)
                if status.state == "unsupported":
                    break
            if data is None:
                status = StreamStatus("frozen", problem=message("the recording of the camera {sn} stopped", sn=sn))
            elif segment is None:
                problem = picture.find_problem() or message("nothing was recorded then")
                status = StreamStatus(
                    "ended", problem=message("the camera {sn} plays nothing: {problem}", sn=sn, problem=problem)
                )
            elif status.state != "unsupported":
                status = StreamStatus("ended").with_segment(segment)
    except Problem as exc:
        status = StreamStatus("ended", problem=exc.detail)
    except MalformedFragments as exc:
        status = StreamStatus(
            "ended", problem=message("the recording of the camera {sn} cannot be read: {reason}", sn=sn, reason=exc)
        )
    finally:
        viewer.send_status(status)
        viewer.end()


def _begin(sn: str, viewer: Viewer, segment: InitSegment) -> StreamStatus:
    if segment.is_h264:
        status = StreamStatus("live").with_segment(segment)
        viewer.begin(status, segment)
        return status
    problem = message(
        "the camera {sn} recorded {codec_name}, which browsers do not show", sn=sn, codec_name=segment.codec_name
    )
    return StreamStatus("unsupported", problem=problem).with_segment(segment)

"""What a shop reports, read for its page. Whatever a shop sends, its page can be shown."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pydantic import ValidationError

from gateway.fleet.documents import DesiredAnswer, DesiredReport, FindingsReport, ReportedFinding
from gateway.office.shop_facts import clean_text

MAX_CAMERAS = 200
"""How many cameras a page shows."""
MAX_TEXT = 200
"""How many characters of a text a page shows."""
MAX_LONG_TEXT = 1000
"""How many characters it shows of a reason."""
MAX_FINDINGS = 100
"""How many findings a page shows."""
MAX_ANSWERS = 600
"""How many answers a page shows: a shop gives 500 at most, and some for what is no setting."""


class ShopCamera(NamedTuple):
    """A camera, as its shop reports it."""

    sn: str
    """Its serial number."""
    name: str
    """Its name."""
    model: str
    """Its model."""
    software_version: str
    """The version of its software."""
    online: bool
    """Whether it answers."""


class ShopReports(NamedTuple):
    """What a shop reports."""

    cameras: Sequence[ShopCamera]
    """Its managed cameras."""
    cloud_reachable: bool | None
    """Whether it reaches the cloud; None if it does not know."""
    findings: Sequence[ReportedFinding]
    """What its doctor found."""
    desired: DesiredReport | None
    """Its answer to what is wanted; None if there is none."""


def read_reports(reported: Mapping[str, Any]) -> ShopReports:
    """Read the documents `state`, `findings` and `desired` of a shop; what cannot be read counts as missing."""
    state = reported.get("state")
    state = state if isinstance(state, dict) else {}
    reachable, cameras = state.get("cloud_reachable"), state.get("cameras")
    listed = [one for one in cameras if isinstance(one, dict)] if isinstance(cameras, list) else []
    return ShopReports(
        [_read_camera(one) for one in listed[:MAX_CAMERAS]],
        reachable if isinstance(reachable, bool) else None,
        _read_findings(reported.get("findings")),
        _read_desired(reported.get("desired")),
    )


def _read_camera(document: Mapping[str, Any]) -> ShopCamera:
    texts = (document.get(name) for name in ("sn", "name", "model", "software_version"))
    sn, name, model, version = (clean_text(one, MAX_TEXT) for one in texts)
    return ShopCamera(sn, name, model, version, document.get("online") is True)


def _read_findings(document: Any) -> Sequence[ReportedFinding]:
    try:
        return [_clean_finding(one) for one in FindingsReport.model_validate(document).findings[:MAX_FINDINGS]]
    except ValidationError:
        return ()


def _clean_finding(finding: ReportedFinding) -> ReportedFinding:
    return ReportedFinding(**{name: clean_text(text, MAX_LONG_TEXT) for name, text in finding})


def _read_desired(document: Any) -> DesiredReport | None:
    try:
        report = DesiredReport.model_validate(document)
    except ValidationError:
        return None
    answers = {
        clean_text(part, MAX_TEXT): DesiredAnswer(outcome=one.outcome, reason=clean_text(one.reason, MAX_LONG_TEXT))
        for part, one in [*report.answers.items()][:MAX_ANSWERS]
    }
    return report.model_copy(update={"answers": answers})

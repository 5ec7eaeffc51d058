"""Electronic shelf labels, their access points and templates."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import (
    CloudCall,
    CloudHandler,
    Data,
    LabelAccessPoint,
    LabelTemplate,
    ShelfLabel,
    found,
)
from gateway.simulator.validation import CallRefused

_NO_LABEL: Final = (5301, 5502, 5020)
_LABEL_BOUND: Final = 5338
_NO_POINT: Final = (5300, 5020)
_POINT_BOUND: Final = 5339
NO_TEMPLATE: Final = (5343, 5020)
_NAME_TAKEN: Final = 5346
_WAITING, _PUSHED, _FAILED = 2, 3, 4
_COLOURS: Final = {1: "BW", 2: "BWR"}
_SCREENS: Final = {1: "2.13", 2: "2.6", 3: "4.2"}


def label(call: CloudCall) -> ShelfLabel:
    """Return the label that a call names by its identifier or its code. Raises `CallRefused`."""
    code, esl_id = call.fields.get("esl_code"), call.fields.get("esl_id")
    for one in call.shop.labels.values():
        if (esl_id and one.esl_id == esl_id) or (not esl_id and code and one.code == code):
            return one
    raise CallRefused(*_NO_LABEL)


def _bind_label(call: CloudCall) -> Data:
    code, sn = call.fields.get("esl_code", ""), call.fields.get("esl_sn", "")
    known = [one for shop in call.state.shops.values() for one in shop.labels.values()]
    if any((code and one.code == code) or (sn and one.sn == sn) for one in known):
        raise CallRefused(_LABEL_BOUND)
    esl_id = call.state.new_id()
    made = ShelfLabel(esl_id, code or f"SL{esl_id:0>6}", sn or f"B101194N{esl_id[-5:]:0>5}")
    call.shop.labels[esl_id] = made
    return {"esl_id": esl_id}


def _unbind_label(call: CloudCall) -> Data:
    esl_id = label(call).esl_id
    del call.shop.labels[esl_id]
    return {"esl_id": esl_id}


def _label_row(one: ShelfLabel) -> dict[str, Any]:
    return {
        "esl_id": one.esl_id,
        "esl_code": one.code,
        "esl_sn": one.sn,
        "model_name": "SL121+",
        "status": one.status,
    }


def _labels(call: CloudCall) -> Data:
    rows = call.shop.labels.values()
    return {"total_count": len(rows), "esl_list": [_label_row(one) for one in call.page(rows)]}


def _label_info(call: CloudCall) -> Data:
    point = next(iter(call.shop.points.values()), LabelAccessPoint("", "", ""))
    return {
        **_label_row(label(call)),
        "screen_size_name": "2.13寸",
        "software_version": "1.0.1",
        "battery": 90,
        "rssi": -23,
        "connect_time": call.now,
        "ap_id": point.ap_id,
        "ap_sn": point.sn,
    }


def _push(call: CloudCall) -> Data:
    label(call).status = _PUSHED
    return {}


def _flash(call: CloudCall) -> Data:
    label(call)
    return {}


def _overview(call: CloudCall) -> Data:
    states = [one.status for one in call.shop.labels.values()]
    return {
        "ap_total_count": len(call.shop.points),
        "esl_total_count": len(states),
        "esl_pending_count": states.count(_WAITING),
        "esl_failed_count": states.count(_FAILED),
    }


def _point(call: CloudCall) -> LabelAccessPoint:
    return found(call.shop.points, call.fields.get("ap_id"), *_NO_POINT)


def _bind_point(call: CloudCall) -> Data:
    sn = call.fields["ap_sn"]
    if any(one.sn == sn for shop in call.state.shops.values() for one in shop.points.values()):
        raise CallRefused(_POINT_BOUND)
    made = LabelAccessPoint(call.state.new_id(), sn, call.fields.get("ap_name") or sn, call.fields.get("ap_mac", ""))
    call.shop.points[made.ap_id] = made
    return {"ap_id": made.ap_id}


def _unbind_point(call: CloudCall) -> Data:
    del call.shop.points[_point(call).ap_id]
    return {}


def _point_row(call: CloudCall, one: LabelAccessPoint) -> dict[str, Any]:
    return {
        "ap_id": one.ap_id,
        "ap_sn": one.sn,
        "ap_name": one.name,
        "esl_count": len(call.shop.labels),
        "status": 1,
    }


def _points(call: CloudCall) -> Data:
    rows = call.shop.points.values()
    return {"total_count": len(rows), "ap_list": [_point_row(call, one) for one in call.page(rows)]}


def _point_info(call: CloudCall) -> Data:
    row = _point_row(call, _point(call))
    return {**row, "model_name": "SLAP1", "software_version": "1.0.1", "connect_time": call.now}


def _rename_point(call: CloudCall) -> Data:
    _point(call).name = call.fields["ap_name"]
    return {}


def _reboot_point(call: CloudCall) -> Data:
    _point(call)
    return {}


def _check_name(call: CloudCall, besides: LabelTemplate | None = None) -> None:
    name = call.fields.get("template_name")
    if any(one.name == name and one is not besides for one in call.shop.templates.values()):
        raise CallRefused(_NAME_TAKEN)


def _template(call: CloudCall) -> LabelTemplate:
    return found(call.shop.templates, call.fields.get("template_id"), *NO_TEMPLATE)


def _create_template(call: CloudCall) -> Data:
    _check_name(call)
    colour, screen = int(call.fields["template_color"]), int(call.fields["template_screen"])
    made = LabelTemplate(
        call.state.new_id(), call.fields["template_name"], colour, screen, call.fields["template_json"]
    )
    call.shop.templates[made.template_id] = made
    return {"template_id": made.template_id}


def _update_template(call: CloudCall) -> Data:
    one = _template(call)
    _check_name(call, besides=one)
    changes = call.changes(("template_name", "template_json"))
    one.name, one.text = changes.get("template_name", one.name), changes.get("template_json", one.text)
    return {}


def _templates(call: CloudCall) -> Data:
    rows = call.shop.templates.values()
    page = [
        {
            "template_id": one.template_id,
            "template_name": one.name,
            "template_color": one.colour,
            "template_screen": one.screen,
        }
        for one in call.page(rows)
    ]
    return {"total_count": len(rows), "template_list": page}


def _template_info(call: CloudCall) -> Data:
    one = _template(call)
    return {
        "template_name": one.name,
        "template_color_name": _COLOURS.get(one.colour, ""),
        "template_screen_type_name": _SCREENS.get(one.screen, ""),
        "template_json": one.text,
        "template_color": one.colour,
        "template_screen": one.screen,
    }


def _delete_templates(call: CloudCall) -> Data:
    for template_id in call.texts("template_id_list"):
        call.shop.templates.pop(template_id, None)
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "device/esl/bind": _bind_label,
    "device/esl/unbind": _unbind_label,
    "device/esl/getList": _labels,
    "device/esl/getInfo": _label_info,
    "device/esl/pushImage": _push,
    "device/esl/flashLed": _flash,
    "device/getOverview": _overview,
    "device/ap/bind": _bind_point,
    "device/ap/unbind": _unbind_point,
    "device/ap/getList": _points,
    "device/ap/getInfo": _point_info,
    "device/ap/updateName": _rename_point,
    "device/ap/reboot": _reboot_point,
    "template/create": _create_template,
    "template/update": _update_template,
    "template/getList": _templates,
    "template/getInfo": _template_info,
    "template/delete": _delete_templates,
}

"""Electronic shelf labels, their access points and templates."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import (
    CloudCall,
    CloudHandler,
    LabelAccessPoint,
    LabelTemplate,
    ResponseData,
    ShelfLabel,
    find_row,
)
from gateway.simulator.label_pictures import FAILED, hash_pixels, is_online
from gateway.simulator.validation import CallRefused

_LABEL_NOT_FOUND: Final = (5301, 5502, 5020)
_LABEL_ALREADY_BOUND: Final = 5338
_ACCESS_POINT_NOT_FOUND: Final = (5300, 5020)
_ACCESS_POINT_ALREADY_BOUND: Final = 5339
TEMPLATE_NOT_FOUND: Final = (5343, 5020)
_NAME_TAKEN: Final = 5346
_NOT_BOUND: Final = 1
_WAITING: Final = 2
_COLOUR_NAMES: Final = {1: "BW", 2: "BWR"}
_SCREEN_NAMES: Final = {1: "2.13", 2: "2.6", 3: "4.2"}
_MODEL_SCREENS: Final = {"SL121": _SCREEN_NAMES[1], "SL126": _SCREEN_NAMES[2], "SL142": _SCREEN_NAMES[3]}


def find_label(call: CloudCall) -> ShelfLabel:
    """Return the label that a call names by its id or its code. Raises `CallRefused`."""
    code, esl_id = call.fields.get("esl_code"), call.fields.get("esl_id")
    for label in call.shop.labels.values():
        if (esl_id and label.esl_id == esl_id) or (not esl_id and code and label.code == code):
            return label
    raise CallRefused(*_LABEL_NOT_FOUND)


def _is_named(label: ShelfLabel, call: CloudCall) -> bool:
    code, sn = call.fields.get("esl_code", ""), call.fields.get("esl_sn", "")
    return bool((code and label.code == code) or (sn and label.sn == sn))


def _bind_label(call: CloudCall) -> ResponseData:
    if any(_is_named(label, call) for shop in call.state.shops.values() for label in shop.labels.values()):
        raise CallRefused(_LABEL_ALREADY_BOUND)
    known = [label for label in call.state.unbound_labels.values() if _is_named(label, call)]
    if known:
        label = known[0]
        del call.state.unbound_labels[label.esl_id]
        call.shop.labels[label.esl_id] = label
        label.status = _WAITING
    else:
        code, sn = call.fields.get("esl_code", ""), call.fields.get("esl_sn", "")
        label = call.state.add_label(call.shop.shop_id, code=code, sn=sn)
    return {"esl_id": label.esl_id}


def _unbind_label(call: CloudCall) -> ResponseData:
    label = find_label(call)
    del call.shop.labels[label.esl_id]
    call.shop.waiting_labels.pop(label.esl_id, None)
    label.product_id = label.template_id = label.ap_id = ""
    label.status = _NOT_BOUND
    call.state.unbound_labels[label.esl_id] = label
    return {"esl_id": label.esl_id}


def _build_label_row(label: ShelfLabel) -> dict[str, Any]:
    return {
        "esl_id": label.esl_id,
        "esl_code": label.code,
        "esl_sn": label.sn,
        "model_name": label.model,
        "status": label.status,
    }


def _list_labels(call: CloudCall) -> ResponseData:
    rows = call.shop.labels.values()
    return {"total_count": len(rows), "esl_list": [_build_label_row(label) for label in call.select_page(rows)]}


def _get_label(call: CloudCall) -> ResponseData:
    label = find_label(call)
    access_point = call.shop.access_points.get(label.ap_id)
    if not label.away and access_point is not None and is_online(access_point, call.faults):
        label.connect_time = call.now
    return {
        **_build_label_row(label),
        "screen_size_name": f"{_MODEL_SCREENS.get(label.model.rstrip('+'), _SCREEN_NAMES[1])}寸",
        "software_version": label.software_version,
        "battery": label.battery,
        "rssi": label.rssi,
        "connect_time": _write_connect_time(label.connect_time, call),
        "ap_id": access_point.ap_id if access_point else "",
        "ap_sn": access_point.sn if access_point else "",
    }


def _write_connect_time(time: int, call: CloudCall) -> int:
    """Return the time as it is sent; the samples have a digit too many (device/esl/getInfo)."""
    return time * 10 if call.faults.long_connect_time else time


def _push_image(call: CloudCall) -> ResponseData:
    label = find_label(call)
    picture = call.files["pic"].data
    label.picture_hash = hash_pixels(picture, label.model)
    label.picture = picture
    label.push_count += 1
    label.status = _WAITING
    call.shop.waiting_labels.pop(label.esl_id, None)  # a newer picture begins anew
    call.shop.waiting_labels[label.esl_id] = None
    return {}


def _flash_led(call: CloudCall) -> ResponseData:
    find_label(call)
    return {}


def _get_overview(call: CloudCall) -> ResponseData:
    statuses = [label.status for label in call.shop.labels.values()]
    return {
        "ap_total_count": len(call.shop.access_points),
        "esl_total_count": len(statuses),
        "esl_pending_count": statuses.count(_WAITING),
        "esl_failed_count": statuses.count(FAILED),
    }


def _find_access_point(call: CloudCall) -> LabelAccessPoint:
    return find_row(call.shop.access_points, call.fields.get("ap_id"), *_ACCESS_POINT_NOT_FOUND)


def _bind_access_point(call: CloudCall) -> ResponseData:
    sn = call.fields["ap_sn"]
    if any(access_point.sn == sn for shop in call.state.shops.values() for access_point in shop.access_points.values()):
        raise CallRefused(_ACCESS_POINT_ALREADY_BOUND)
    access_point = call.state.add_access_point(
        call.shop.shop_id, sn=sn, name=call.fields.get("ap_name", ""), mac=call.fields.get("ap_mac", "")
    )
    return {"ap_id": access_point.ap_id}


def _unbind_access_point(call: CloudCall) -> ResponseData:
    del call.shop.access_points[_find_access_point(call).ap_id]
    return {}


def _build_access_point_row(call: CloudCall, access_point: LabelAccessPoint) -> dict[str, Any]:
    return {
        "ap_id": access_point.ap_id,
        "ap_sn": access_point.sn,
        "ap_name": access_point.name,
        "esl_count": [label.ap_id for label in call.shop.labels.values()].count(access_point.ap_id),
        "status": 1 if is_online(access_point, call.faults) else 2,
    }


def _list_access_points(call: CloudCall) -> ResponseData:
    rows = call.shop.access_points.values()
    return {
        "total_count": len(rows),
        "ap_list": [_build_access_point_row(call, access_point) for access_point in call.select_page(rows)],
    }


def _get_access_point(call: CloudCall) -> ResponseData:
    access_point = _find_access_point(call)
    return {
        **_build_access_point_row(call, access_point),
        "model_name": "SLAP1",
        "software_version": "1.0.1",
        "connect_time": _write_connect_time(access_point.connect_time, call),
    }


def _rename_access_point(call: CloudCall) -> ResponseData:
    _find_access_point(call).name = call.fields["ap_name"]
    return {}


def _reboot_access_point(call: CloudCall) -> ResponseData:
    _find_access_point(call)
    return {}


def _check_template_name(call: CloudCall, excluded: LabelTemplate | None = None) -> None:
    name = call.fields.get("template_name")
    if any(template.name == name and template is not excluded for template in call.shop.templates.values()):
        raise CallRefused(_NAME_TAKEN)


def _find_template(call: CloudCall) -> LabelTemplate:
    return find_row(call.shop.templates, call.fields.get("template_id"), *TEMPLATE_NOT_FOUND)


def _create_template(call: CloudCall) -> ResponseData:
    _check_template_name(call)
    colour, screen = int(call.fields["template_color"]), int(call.fields["template_screen"])
    template = LabelTemplate(
        call.state.new_id(), call.fields["template_name"], colour, screen, call.fields["template_json"]
    )
    call.shop.templates[template.template_id] = template
    return {"template_id": template.template_id}


def _update_template(call: CloudCall) -> ResponseData:
    template = _find_template(call)
    _check_template_name(call, excluded=template)
    changes = call.select_given(("template_name", "template_json"))
    template.name = changes.get("template_name", template.name)
    template.layout = changes.get("template_json", template.layout)
    return {}


def _list_templates(call: CloudCall) -> ResponseData:
    rows = call.shop.templates.values()
    page = [
        {
            "template_id": template.template_id,
            "template_name": template.name,
            "template_color": template.colour,
            "template_screen": template.screen,
        }
        for template in call.select_page(rows)
    ]
    return {"total_count": len(rows), "template_list": page}


def _get_template(call: CloudCall) -> ResponseData:
    template = _find_template(call)
    return {
        "template_name": template.name,
        "template_color_name": _COLOUR_NAMES.get(template.colour, ""),
        "template_screen_type_name": _SCREEN_NAMES.get(template.screen, ""),
        "template_json": template.layout,
        "template_color": template.colour,
        "template_screen": template.screen,
    }


def _delete_templates(call: CloudCall) -> ResponseData:
    for template_id in call.read_list("template_id_list"):
        call.shop.templates.pop(template_id, None)
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "device/esl/bind": _bind_label,
    "device/esl/unbind": _unbind_label,
    "device/esl/getList": _list_labels,
    "device/esl/getInfo": _get_label,
    "device/esl/pushImage": _push_image,
    "device/esl/flashLed": _flash_led,
    "device/getOverview": _get_overview,
    "device/ap/bind": _bind_access_point,
    "device/ap/unbind": _unbind_access_point,
    "device/ap/getList": _list_access_points,
    "device/ap/getInfo": _get_access_point,
    "device/ap/updateName": _rename_access_point,
    "device/ap/reboot": _reboot_access_point,
    "template/create": _create_template,
    "template/update": _update_template,
    "template/getList": _list_templates,
    "template/getInfo": _get_template,
    "template/delete": _delete_templates,
}

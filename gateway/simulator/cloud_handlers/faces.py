"""Face groups and faces."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import (
    CUSTOM_FIELDS,
    MAX_FACES,
    MAX_GROUPS,
    CloudCall,
    CloudHandler,
    Face,
    FaceGroup,
    ResponseData,
    SimulatedShop,
    find_row,
)
from gateway.simulator.validation import CallRefused

_GROUP_NOT_FOUND: Final = (5522, 5506, 5013)
_FACE_NOT_FOUND: Final = (5506, 5013)
_NOT_IN_GROUP: Final = (5521, 5506, 5013)
_FULL: Final = 5520
_NAME_TAKEN: Final = 5523
_NOT_EMPTY: Final = 5509
_DELETES_DEFAULT_GROUP: Final = 5524
_CHANGES_DEFAULT_GROUP: Final = 5525
"""Deleting a default group has another code than changing one (NOTES: Cloud codes)."""
_CUSTOM_TYPE: Final = 5
_KEY_NAMES: Final = tuple(f"customer_key{number}" for number in CUSTOM_FIELDS)
_VALUE_NAMES: Final = tuple(f"customer_value{number}" for number in CUSTOM_FIELDS)


def _find_group(call: CloudCall, name: str = "group_id") -> FaceGroup:
    return find_row(call.shop.groups, call.fields.get(name), *_GROUP_NOT_FOUND)


def _list_members(shop: SimulatedShop, group: FaceGroup) -> list[Face]:
    return [face for face in shop.faces.values() if face.group_id == group.group_id]


def _build_group_row(shop: SimulatedShop, group: FaceGroup) -> dict[str, Any]:
    return {
        "group_id": group.group_id,
        "type": group.type,
        "count": len(_list_members(shop, group)),
        "capacity": group.capacity,
        "last_modified_time": group.modified,
        "group_name": group.name,
        "description": group.description,
        **{key: group.keys.get(key, "") for key in _KEY_NAMES},
    }


def _build_face_row(shop: SimulatedShop, face: Face) -> dict[str, Any]:
    return {
        "face_id": face.face_id,
        "group_id": face.group_id,
        "group_name": shop.groups[face.group_id].name,
        "gender": face.gender,
        "age_range": face.age_range,
        "arrival_count": 0,
        "create_time": face.created,
        "last_arrival_time": 0,
        "name": face.name,
    }


def _list_groups(call: CloudCall) -> ResponseData:
    return {"group_list": [_build_group_row(call.shop, group) for group in call.shop.groups.values()]}


def _get_group(call: CloudCall) -> ResponseData:
    return _build_group_row(call.shop, _find_group(call))


def _check_capacity(shop: SimulatedShop, capacity: int, excluded: FaceGroup | None = None) -> None:
    if capacity + sum(group.capacity for group in shop.groups.values() if group is not excluded) > MAX_FACES:
        raise CallRefused(_FULL)


def _create_group(call: CloudCall) -> ResponseData:
    shop, name, capacity = call.shop, call.fields["name"], int(call.fields["capacity"])
    if any(group.name == name for group in shop.groups.values()):
        raise CallRefused(_NAME_TAKEN)
    if len(shop.groups) >= MAX_GROUPS:
        raise CallRefused(_FULL)
    _check_capacity(shop, capacity)
    group = FaceGroup(call.state.new_id(), int(call.fields["type"]), name, capacity, modified=call.now)
    group.description = call.fields.get("description", "")
    group.keys = call.select_given(_KEY_NAMES)
    shop.groups[group.group_id] = group
    return {}  # the vendor does not return the new id (NOTES: Faces)


def _update_group(call: CloudCall) -> ResponseData:
    group = _find_group(call)
    if group.type != _CUSTOM_TYPE:
        raise CallRefused(_CHANGES_DEFAULT_GROUP)
    changes = call.select_given(("name", "capacity", "description"))
    if "capacity" in changes:
        _check_capacity(call.shop, int(changes["capacity"]), excluded=group)
        group.capacity = int(changes["capacity"])
    group.name = changes.get("name", group.name)
    group.description = changes.get("description", group.description)
    group.keys.update(call.select_given(_KEY_NAMES))
    group.modified = call.now
    return {}


def _delete_group(call: CloudCall) -> ResponseData:
    shop, group = call.shop, _find_group(call)
    if group.type != _CUSTOM_TYPE:
        raise CallRefused(_DELETES_DEFAULT_GROUP)
    if _list_members(shop, group):
        raise CallRefused(_NOT_EMPTY)
    del shop.groups[group.group_id]
    return {}


def _list_faces(call: CloudCall) -> ResponseData:
    shop, group = call.shop, _find_group(call)
    members = _list_members(shop, group)
    # A face is listed with the names under which the samples print its own fields.
    rows = [
        {
            **_build_face_row(shop, face),
            **{key: face.values.get(value, "") for key, value in zip(_KEY_NAMES, _VALUE_NAMES, strict=True)},
        }
        for face in call.select_page(members)
    ]
    return {"face_list": rows, "total_num": len(members)}


def _get_face(call: CloudCall) -> ResponseData:
    return _build_face_row(call.shop, find_row(call.shop.faces, call.fields.get("face_id"), *_FACE_NOT_FOUND))


def _add_face(call: CloudCall) -> ResponseData:
    shop, group = call.shop, _find_group(call)
    if len(_list_members(shop, group)) >= group.capacity:
        raise CallRefused(_FULL)
    face = Face(call.state.new_id(), group.group_id, call.fields["name"], call.now)
    shop.faces[face.face_id] = face
    _set_face_fields(face, call)
    return {"face_id": face.face_id}


def _set_face_fields(face: Face, call: CloudCall) -> None:
    changes = call.select_given(("name", "gender", "age_range"))
    face.name = changes.get("name", face.name)
    face.gender = int(changes.get("gender", face.gender))
    face.age_range = int(changes.get("age_range", face.age_range))
    face.values.update(call.select_given(_VALUE_NAMES))


def _select_faces(call: CloudCall, group: FaceGroup) -> list[Face]:
    faces = [call.shop.faces.get(face_id) for face_id in call.read_list("face_id_list")]
    selected = [face for face in faces if face is not None and face.group_id == group.group_id]
    if len(selected) != len(faces):
        raise CallRefused(*_NOT_IN_GROUP)
    return selected


def _update_face(call: CloudCall) -> ResponseData:
    group = _find_group(call)
    face = call.shop.faces.get(call.fields["face_id"])
    if face is None or face.group_id != group.group_id:
        raise CallRefused(*_NOT_IN_GROUP)
    _set_face_fields(face, call)
    return {}


def _delete_faces(call: CloudCall) -> ResponseData:
    for face in _select_faces(call, _find_group(call)):
        del call.shop.faces[face.face_id]
    return {}


def _move_faces(call: CloudCall) -> ResponseData:
    source, target = _find_group(call, "source_group_id"), _find_group(call, "target_group_id")
    selected = _select_faces(call, source)
    if len(_list_members(call.shop, target)) + len(selected) > target.capacity:
        raise CallRefused(_FULL)
    for face in selected:
        face.group_id = target.group_id
    return {}


def _set_move_strategy(call: CloudCall) -> ResponseData:
    _find_group(call, "target_group_id")
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "face/group/getList": _list_groups,
    "face/group/getInfo": _get_group,
    "face/group/create": _create_group,
    "face/group/update": _update_group,
    "face/group/delete": _delete_group,
    "face/group/getFaceList": _list_faces,
    "face/getInfo": _get_face,
    "face/add": _add_face,
    "face/update": _update_face,
    "face/delete": _delete_faces,
    "face/group/move": _move_faces,
    "face/group/updateMoveStrategy": _set_move_strategy,
}

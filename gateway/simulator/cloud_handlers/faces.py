"""Face groups and faces."""

from collections.abc import Mapping
from typing import Any, Final

from gateway.simulator.cloud_state import (
    CUSTOM_FIELDS,
    MAX_FACES,
    MAX_GROUPS,
    CloudCall,
    CloudHandler,
    Data,
    Face,
    FaceGroup,
    SimulatedShop,
    found,
)
from gateway.simulator.validation import CallRefused

_NO_GROUP: Final = (5522, 5506, 5013)
_NO_FACE: Final = (5506, 5013)
_NOT_IN_GROUP: Final = (5521, 5506, 5013)
_FULL: Final = 5520
_EXISTS: Final = 5523
_NOT_EMPTY: Final = 5509
_DEFAULT_GROUP: Final = (5524, 5525)
"""Deleting a default group answers the first, changing one the second (NOTES: Cloud codes)."""
_CUSTOM: Final = 5
_KEYS: Final = tuple(f"customer_key{number}" for number in CUSTOM_FIELDS)
_VALUES: Final = tuple(f"customer_value{number}" for number in CUSTOM_FIELDS)


def _group(call: CloudCall, name: str = "group_id") -> FaceGroup:
    return found(call.shop.groups, call.fields.get(name), *_NO_GROUP)


def _members(shop: SimulatedShop, group: FaceGroup) -> list[Face]:
    return [face for face in shop.faces.values() if face.group_id == group.group_id]


def _group_row(shop: SimulatedShop, group: FaceGroup) -> dict[str, Any]:
    return {
        "group_id": group.group_id,
        "type": group.type,
        "count": len(_members(shop, group)),
        "capacity": group.capacity,
        "last_modified_time": group.modified,
        "group_name": group.name,
        "description": group.description,
        **{key: group.keys.get(key, "") for key in _KEYS},
    }


def _face_row(shop: SimulatedShop, face: Face) -> dict[str, Any]:
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


def _groups(call: CloudCall) -> Data:
    return {"group_list": [_group_row(call.shop, group) for group in call.shop.groups.values()]}


def _group_info(call: CloudCall) -> Data:
    return _group_row(call.shop, _group(call))


def _check_room(shop: SimulatedShop, capacity: int, besides: FaceGroup | None = None) -> None:
    if capacity + sum(group.capacity for group in shop.groups.values() if group is not besides) > MAX_FACES:
        raise CallRefused(_FULL)


def _create_group(call: CloudCall) -> Data:
    shop, name, capacity = call.shop, call.fields["name"], int(call.fields["capacity"])
    if any(group.name == name for group in shop.groups.values()):
        raise CallRefused(_EXISTS)
    if len(shop.groups) >= MAX_GROUPS:
        raise CallRefused(_FULL)
    _check_room(shop, capacity)
    group = FaceGroup(call.state.new_id(), int(call.fields["type"]), name, capacity, modified=call.now)
    group.description = call.fields.get("description", "")
    group.keys = call.changes(_KEYS)
    shop.groups[group.group_id] = group
    return {}  # the new identifier is not told (NOTES: Faces)


def _update_group(call: CloudCall) -> Data:
    group = _group(call)
    if group.type != _CUSTOM:
        raise CallRefused(_DEFAULT_GROUP[1])
    changes = call.changes(("name", "capacity", "description"))
    if "capacity" in changes:
        _check_room(call.shop, int(changes["capacity"]), besides=group)
        group.capacity = int(changes["capacity"])
    group.name = changes.get("name", group.name)
    group.description = changes.get("description", group.description)
    group.keys.update(call.changes(_KEYS))
    group.modified = call.now
    return {}


def _delete_group(call: CloudCall) -> Data:
    shop, group = call.shop, _group(call)
    if group.type != _CUSTOM:
        raise CallRefused(_DEFAULT_GROUP[0])
    if _members(shop, group):
        raise CallRefused(_NOT_EMPTY)
    del shop.groups[group.group_id]
    return {}


def _faces(call: CloudCall) -> Data:
    shop, group = call.shop, _group(call)
    members = _members(shop, group)
    # A face is listed with the names under which the samples print its own fields.
    rows = [
        {
            **_face_row(shop, face),
            **{key: face.values.get(value, "") for key, value in zip(_KEYS, _VALUES, strict=True)},
        }
        for face in call.page(members)
    ]
    return {"face_list": rows, "total_num": len(members)}


def _face_info(call: CloudCall) -> Data:
    return _face_row(call.shop, found(call.shop.faces, call.fields.get("face_id"), *_NO_FACE))


def _add_face(call: CloudCall) -> Data:
    shop, group = call.shop, _group(call)
    if len(_members(shop, group)) >= group.capacity:
        raise CallRefused(_FULL)
    face = Face(call.state.new_id(), group.group_id, call.fields["name"], call.now)
    shop.faces[face.face_id] = face
    _describe(face, call)
    return {"face_id": face.face_id}


def _describe(face: Face, call: CloudCall) -> None:
    changes = call.changes(("name", "gender", "age_range"))
    face.name = changes.get("name", face.name)
    face.gender = int(changes.get("gender", face.gender))
    face.age_range = int(changes.get("age_range", face.age_range))
    face.values.update(call.changes(_VALUES))


def _chosen(call: CloudCall, group: FaceGroup) -> list[Face]:
    faces = [call.shop.faces.get(face_id) for face_id in call.texts("face_id_list")]
    chosen = [face for face in faces if face is not None and face.group_id == group.group_id]
    if len(chosen) != len(faces):
        raise CallRefused(*_NOT_IN_GROUP)
    return chosen


def _update_face(call: CloudCall) -> Data:
    group = _group(call)
    face = call.shop.faces.get(call.fields["face_id"])
    if face is None or face.group_id != group.group_id:
        raise CallRefused(*_NOT_IN_GROUP)
    _describe(face, call)
    return {}


def _delete_faces(call: CloudCall) -> Data:
    for face in _chosen(call, _group(call)):
        del call.shop.faces[face.face_id]
    return {}


def _move(call: CloudCall) -> Data:
    source, target = _group(call, "source_group_id"), _group(call, "target_group_id")
    chosen = _chosen(call, source)
    if len(_members(call.shop, target)) + len(chosen) > target.capacity:
        raise CallRefused(_FULL)
    for face in chosen:
        face.group_id = target.group_id
    return {}


def _strategy(call: CloudCall) -> Data:
    target = _group(call, "target_group_id")
    call.shop.move_strategy = (target.group_id, int(call.fields["threshold"]), int(call.fields["period"]))
    return {}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "face/group/getList": _groups,
    "face/group/getInfo": _group_info,
    "face/group/create": _create_group,
    "face/group/update": _update_group,
    "face/group/delete": _delete_group,
    "face/group/getFaceList": _faces,
    "face/getInfo": _face_info,
    "face/add": _add_face,
    "face/update": _update_face,
    "face/delete": _delete_faces,
    "face/group/move": _move,
    "face/group/updateMoveStrategy": _strategy,
}

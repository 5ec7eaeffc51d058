"""Cloud endpoints `face/*`: face groups and the faces in them."""

from typing import Final

from gateway.protocol.catalogue.people import AGE_RANGES, GENDER_DESCRIPTION, GENDERS, GROUP_TYPES
from gateway.protocol.catalogue.response_fields import describe_choices, int_field, object_list, string_field
from gateway.protocol.catalogue.shop import (
    MAX_REQUEST_BYTES,
    SHOP_PARAMETERS,
    STORE_CODES,
    cloud_endpoint,
    page_parameters,
)
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import cloud_codes

_MAX_FACES: Final = 30_000
"""Bound for all groups together, and so for each (NOTES: Face library limits)."""

_GROUP_ID = Parameter(
    name="group_id", type="string", required=True, description="The face group.", example="578968814328"
)
_FACE_ID = Parameter(name="face_id", type="string", required=True, description="The face.", example="578968751459")
_FACE_IDS = Parameter(
    name="face_id_list", type="array", items="string", required=True, description="The faces.",
    example='["578968751459"]',
)  # fmt: skip
_TARGET_GROUP_ID = Parameter(
    name="target_group_id", type="string", required=True, description="The group to move to.", example="578968813727"
)
_GROUP_KEYS = tuple(
    Parameter(name=f"customer_key{number}", type="string", description=f"Name of the group's own field {number}.")
    for number in range(1, 6)
)
_FACE_VALUES = tuple(
    Parameter(name=f"customer_value{number}", type="string", description=f"Content of the group's own field {number}.")
    for number in range(1, 6)
)
_GENDER = Parameter(name="gender", type="int", choices=GENDERS, description="Gender.", example=1)
_AGE_RANGE = Parameter(name="age_range", type="int", choices=AGE_RANGES, description="Age.", example=4)

_KEY_FIELDS = tuple(string_field(key.name, key.description) for key in _GROUP_KEYS)
_GROUP_FIELDS = (
    string_field("group_id", "Identifier of the group."),
    int_field("type", f"{describe_choices(GROUP_TYPES)[:-1]}; 4, a blacklist, is only known to the vendor's app."),
    int_field("count", "Number of faces."),
    int_field("capacity", "How many faces fit."),
    int_field("last_modified_time", "Unix time in seconds; 0 never."),
    string_field("group_name", "Name."),
    string_field("description", "Description."),
    *_KEY_FIELDS,
)
_FACE_FIELDS = (
    string_field("face_id", "Identifier of the face."),
    string_field("group_id", "The group it is in."),
    string_field("group_name", "That group's name."),
    int_field("gender", GENDER_DESCRIPTION),
    int_field("age_range", describe_choices(AGE_RANGES)),
    int_field("arrival_count", "Number of visits."),
    int_field("create_time", "Unix time in seconds."),
    int_field("last_arrival_time", "Unix time in seconds; 0 never."),
    string_field("name", "Name of the person."),
)

_NOT_FOUND = {5506: "the data has not been found"}
_CAPACITY_REACHED = {5520: "the number of face groups or the face capacity reaches the upper limit"}
_IN_ANOTHER_GROUP = {5521: "the face information is not in the specified face group"}

ENDPOINTS = (
    cloud_endpoint(
        path="face/group/getList",
        title="Acquire the List of Face Group",
        source="Cloud API, 5.3.1",
        scope="pos",
        parameters=SHOP_PARAMETERS,
        response_fields=object_list("group_list", "The shop's face groups.", *_GROUP_FIELDS),
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
        # (NOTES: Misprints)
        note="Headed /fact/group/getList, a misprint: list and sample say face.",
    ),
    cloud_endpoint(
        path="face/group/getInfo",
        title="Acquire the Information of a Specified Face Group",
        source="Cloud API, 5.3.2",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _GROUP_ID),
        response_fields=_GROUP_FIELDS,
        return_codes=cloud_codes(STORE_CODES),
        repeatable=True,
        note="Whether group_id is required is left blank; nothing else names the group, so it is.",
    ),
    cloud_endpoint(
        path="face/group/create",
        title="Add a Face Group",
        source="Cloud API, 5.3.3",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(name="name", type="string", required=True, description="Name of the group.", example="Mike"),
            Parameter(
                name="type", type="int", required=True, choices=GROUP_TYPES, description="Kind of group.", example=5
            ),
            Parameter(
                name="capacity", type="int", required=True, min=1, max=_MAX_FACES, example=1000,
                description="How many faces fit. All groups together hold 30000 at most, in 10 groups.",
            ),
            Parameter(name="description", type="string", description="Description."),
            *_GROUP_KEYS,
        ),
        return_codes=cloud_codes({**STORE_CODES, **_CAPACITY_REACHED, 5523: "this face group already exists"}),
        # (NOTES: Faces)
        note="The response is empty: the new group's identifier is found in face/group/getList by its name.",
    ),
    cloud_endpoint(
        path="face/group/update",
        title="Modify a Specified Face Group",
        source="Cloud API, 5.3.4",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            _GROUP_ID,
            Parameter(name="name", type="string", description="Name of the group.", example="Mike"),
            Parameter(name="capacity", type="int", min=1, max=_MAX_FACES, description="How many faces fit."),
            Parameter(name="description", type="string", description="Description."),
            *_GROUP_KEYS,
        ),
        return_codes=cloud_codes(
            {
                **STORE_CODES,
                **_NOT_FOUND,
                **_CAPACITY_REACHED,
                5525: "the default face library is not allowed to be modified",
            }
        ),
        repeatable=True,
        # (NOTES: Faces)
        note="The sample leaves out group_id and carries type, which is no parameter; the table decides.",
    ),
    cloud_endpoint(
        path="face/group/delete",
        title="Delete a Specified Face Group",
        source="Cloud API, 5.3.5",
        scope="admin",
        parameters=(*SHOP_PARAMETERS, _GROUP_ID),
        return_codes=cloud_codes(
            {
                **STORE_CODES,
                **_NOT_FOUND,
                5524: "the default face library is not allowed to be modified",
                5509: "non-empty face library",
            }
        ),
        # (NOTES: Cloud codes)
        note="5509 means something else when a camera is bound; 5524 here is 5525 for an update.",
    ),
    cloud_endpoint(
        path="face/group/getFaceList",
        title="Acquire the Face List of a Specified Face Group",
        source="Cloud API, 5.3.6",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _GROUP_ID, *page_parameters()),
        response_fields=(
            int_field("total_num", "Number of faces in the group."),
            *object_list("face_list", "The faces of this page.", *_FACE_FIELDS, *_KEY_FIELDS),
        ),
        return_codes=cloud_codes({**STORE_CODES, **_NOT_FOUND}),
        repeatable=True,
        # (NOTES: Misprints; List totals)
        note="Headed /fact/group/getFaceList, a misprint. The total is total_num here.",
    ),
    cloud_endpoint(
        path="face/getInfo",
        title="Acquire the Detailed Information of a Specified Face",
        source="Cloud API, 5.3.7",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _FACE_ID),
        response_fields=_FACE_FIELDS,
        return_codes=cloud_codes({**STORE_CODES, 5506: "no data found"}),
        repeatable=True,
        note="face_id is described as a group's identifier; it is the face's, as its name and the sample say.",
    ),
    cloud_endpoint(
        path="face/add",
        title="Add Face Information to a Specified Face Group",
        source="Cloud API, 5.3.8",
        scope="people",
        parameters=(
            *SHOP_PARAMETERS,
            _GROUP_ID,
            Parameter(name="name", type="string", required=True, description="Name of the person.", example="Mike"),
            Parameter(
                name="pic", type="file", required=True, max_bytes=MAX_REQUEST_BYTES,
                description="A picture of the face.",
            ),
            _GENDER,
            _AGE_RANGE,
            *_FACE_VALUES,
        ),
        response_fields=(string_field("face_id", "Identifier of the new face."),),
        return_codes=cloud_codes({**STORE_CODES, **_CAPACITY_REACHED}),
        note="Sent as multipart/form-data, although the sample's header says otherwise. The picture is "
        "examined later; notification 1100 tells the outcome.",
    ),
    cloud_endpoint(
        path="face/update",
        title="Modify the Attribute Information of a Specified Face",
        source="Cloud API, 5.3.9",
        scope="people",
        parameters=(
            *SHOP_PARAMETERS,
            _GROUP_ID,
            _FACE_ID,
            Parameter(name="name", type="string", description="Name of the person.", example="Mike"),
            _GENDER,
            _AGE_RANGE,
            *_FACE_VALUES,
        ),
        return_codes=cloud_codes({**STORE_CODES, **_CAPACITY_REACHED, **_IN_ANOTHER_GROUP}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="face/updatePicture",
        title="Modify the Image of a Specified Face",
        source="Cloud API, 5.2",
        confidence="low",
        scope="people",
        availability="listed",
        return_codes=cloud_codes({}),
        # (NOTES: Availability)
        note="Listed but never described: neither parameters nor response are known.",
    ),
    cloud_endpoint(
        path="face/delete",
        title="Delete Face Information from the Specified Face Group",
        source="Cloud API, 5.3.10",
        scope="admin",
        parameters=(*SHOP_PARAMETERS, _GROUP_ID, _FACE_IDS),
        return_codes=cloud_codes(STORE_CODES),
        # (NOTES: Identifiers)
        note="The identifiers are text in the sample and numbers in the table; text it is.",
    ),
    cloud_endpoint(
        path="face/group/move",
        title="Move a Specified Face Among Face Groups",
        source="Cloud API, 5.3.11",
        scope="people",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="source_group_id", type="string", required=True, description="The group to move from.",
                example="578968813726",
            ),
            _TARGET_GROUP_ID,
            _FACE_IDS,
        ),
        return_codes=cloud_codes(
            {**STORE_CODES, **_CAPACITY_REACHED, **_IN_ANOTHER_GROUP, 5522: "the face library does not exist"}
        ),
    ),
    cloud_endpoint(
        path="face/group/updateMoveStrategy",
        title="Change the Strategy of Moving a New Customer to Other Groups",
        source="Cloud API, 5.3.12",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            _TARGET_GROUP_ID,
            Parameter(
                name="threshold", type="int", required=True, min=1, example=4,
                description="After how many visits within the period a new customer is moved.",
            ),
            Parameter(
                name="period", type="int", required=True, min=1, example=604800,
                description="The period, in seconds.",
            ),
        ),
        return_codes=cloud_codes(
            {
                **STORE_CODES,
                **_NOT_FOUND,
                **_CAPACITY_REACHED,
                5525: "the information of the default face group cannot be changed",
            }
        ),
        repeatable=True,
    ),
)  # fmt: skip

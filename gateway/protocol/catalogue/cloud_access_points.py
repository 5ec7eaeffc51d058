"""Cloud endpoints `device/ap/*`: the radio access points of shelf labels."""

from gateway.protocol.catalogue.labels import LABEL_CODES
from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field
from gateway.protocol.catalogue.shop import GENERAL_CODES_NOTE, SHOP_PARAMETERS, cloud_endpoint, page_parameters
from gateway.protocol.parameters import Parameter
from gateway.protocol.return_codes import GENERAL_CLOUD_CODES, cloud_codes

_AP_ID = Parameter(name="ap_id", type="string", required=True, description="The access point.", example="129200")
_AP_NAME = "Name of the access point."

_ACCESS_POINT_FIELDS = (
    string_field("ap_id", "The access point's identifier."),
    string_field("ap_sn", "Its serial number."),
    string_field("ap_name", "Its name."),
    int_field("esl_count", "Number of labels that it serves."),
    int_field("status", "0 not activated, 1 online, 2 offline."),
)
_INVALID_ACCESS_POINT = {5300: "invalid AP"}

ENDPOINTS = (
    cloud_endpoint(
        path="device/ap/bind",
        title="Bind an AP to a shop",
        source="Electronic Shelf Label, 5.3.1",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="ap_sn", type="string", required=True, description="Serial number.", example="B201E96500001"
            ),
            Parameter(name="ap_name", type="string", description=_AP_NAME, example="Gate 5"),
            Parameter(name="ap_mac", type="string", description="MAC address of the access point."),
        ),
        response_fields=(string_field("ap_id", "The access point's identifier."),),
        return_codes=cloud_codes(
            {
                **LABEL_CODES,
                5023: "invalid parameter",
                **_INVALID_ACCESS_POINT,
                5339: "AP already bound to a shop",
            }
        ),
    ),
    cloud_endpoint(
        path="device/ap/unbind",
        title="Unbind an AP from a shop",
        source="Electronic Shelf Label, 5.3.2",
        scope="installer",
        parameters=(*SHOP_PARAMETERS, _AP_ID),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_ACCESS_POINT}),
    ),
    cloud_endpoint(
        path="device/ap/getList",
        title="Get the List of APs from a shop",
        source="Electronic Shelf Label, 5.3.3",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *page_parameters()),
        response_fields=(
            int_field("total_count", "Number of access points."),
            *object_list("ap_list", "The access points of this page.", *_ACCESS_POINT_FIELDS),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5020: "invalid parameter"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ap/getInfo",
        title="Get the info about a given AP",
        source="Electronic Shelf Label, 5.3.4",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _AP_ID),
        response_fields=(
            *_ACCESS_POINT_FIELDS,
            string_field("model_name", "Model."),
            string_field("software_version", "Firmware."),
            int_field("connect_time", "Unix time in seconds; the sample has a digit too many."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5011: "invalid model type", **_INVALID_ACCESS_POINT}),
        repeatable=True,
        note="5011 means something else for a camera.",
    ),
    cloud_endpoint(
        path="device/ap/updateName",
        title="Update the name of an AP",
        source="Electronic Shelf Label, 5.3.5",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            _AP_ID,
            Parameter(name="ap_name", type="string", required=True, description=_AP_NAME, example="Gate 5"),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_ACCESS_POINT}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ap/reboot",
        title="Reboot the given AP",
        source="Electronic Shelf Label, 5.3.6",
        scope="admin",
        parameters=(*SHOP_PARAMETERS, _AP_ID),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_ACCESS_POINT}),
    ),
    cloud_endpoint(
        path="device/ap/setScanTime",
        title="Set the scan time of a given AP",
        source="Electronic Shelf Label, 5.3.7",
        scope="installer",
        availability="unavailable",
        parameters=(
            *SHOP_PARAMETERS,
            _AP_ID,
            Parameter(
                name="scan_time",
                type="int",
                required=True,
                min=1,
                description="The new scan time; the unit is not stated.",
            ),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=GENERAL_CODES_NOTE,
    ),
)

"""Cloud endpoints `device/esl/*`: electronic shelf labels (NOTES: Shelf labels)."""

from typing import Final

from gateway.protocol.catalogue.labels import (
    ESL_ID,
    LABEL_BY_CODE_OR_ID,
    LABEL_BY_CODE_OR_SN,
    LABEL_CODES,
    LABEL_IDENTIFIER_NOTE,
    LABEL_STATUS_DESCRIPTION,
)
from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field
from gateway.protocol.catalogue.shop import (
    GENERAL_CODES_NOTE,
    MAX_REQUEST_BYTES,
    SHOP_PARAMETERS,
    cloud_endpoint,
    page_parameters,
)
from gateway.protocol.parameters import Choice, Parameter, PictureFormat
from gateway.protocol.relay_policy import OrderKey, RelayPolicy
from gateway.protocol.return_codes import GENERAL_CLOUD_CODES, cloud_codes

_THREE_COLOURS: Final = ("black", "white", "red")

PICTURE_FORMATS: Final = (
    PictureFormat("SL121", 212, 104, _THREE_COLOURS),
    PictureFormat("SL126", 296, 152, _THREE_COLOURS),
    PictureFormat("SL126+", 296, 152, ("black", "white")),
    PictureFormat("SL142", 400, 300, _THREE_COLOURS),
    PictureFormat("SL142+", 400, 300, _THREE_COLOURS),
)
"""The pictures that each model of label shows."""

LED_COLOURS: Final = (
    Choice(1, "white"),
    Choice(2, "blue"),
    Choice(4, "green"),
    Choice(8, "red"),
    Choice(512, "cyan"),
    Choice(1024, "purple"),
    Choice(2048, "yellow"),
)
"""The colours in which a label flashes."""

_LABEL = (
    string_field("esl_id", "The label's identifier."),
    string_field("esl_code", "Its identifier of eight characters."),
    string_field("esl_sn", "Its serial number."),
    string_field("model_name", "Its model."),
    int_field("status", LABEL_STATUS_DESCRIPTION),
)
_INVALID_LABEL = {5301: "invalid ESL"}

ENDPOINTS = (
    cloud_endpoint(
        path="device/esl/bind",
        title="Bind an ESL to a shop",
        source="Electronic Shelf Label, 4.3.1",
        scope="installer",
        parameters=(*SHOP_PARAMETERS, *LABEL_BY_CODE_OR_SN),
        response_fields=(string_field("esl_id", "The label's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_LABEL, 5338: "ESL already bound"}),
    ),
    cloud_endpoint(
        path="device/esl/unbind",
        title="Unbind an ESL from a shop",
        source="Electronic Shelf Label, 4.3.2",
        scope="installer",
        parameters=(*SHOP_PARAMETERS, ESL_ID),
        response_fields=(string_field("esl_id", "The label's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_LABEL}),
        # (NOTES: Misprints)
        note="The description is its neighbour's; the heading is right.",
    ),
    cloud_endpoint(
        path="device/esl/getList",
        title="Get the list of ESLs from a shop",
        source="Electronic Shelf Label, 4.3.3",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *page_parameters()),
        response_fields=(
            int_field("total_count", "Number of labels."),
            *object_list("esl_list", "The labels of this page.", *_LABEL),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5020: "invalid parameter"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/esl/getInfo",
        title="Get the detail info of a given ESL",
        source="Electronic Shelf Label, 4.3.4",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *LABEL_BY_CODE_OR_ID),
        response_fields=(
            *_LABEL,
            string_field("screen_size_name", "Size of the screen, such as 2.13寸."),
            string_field("software_version", "Firmware."),
            int_field("battery", "Charge in percent."),
            int_field("rssi", "Strength of the radio signal in dBm."),
            int_field("connect_time", "Unix time in seconds; the sample has a digit too many."),
            string_field("ap_id", "The access point's identifier."),
            string_field("ap_sn", "The access point's serial number."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5023: "parameter missing", 5502: "invalid ESL"}),
        repeatable=True,
        note=LABEL_IDENTIFIER_NOTE,
    ),
    cloud_endpoint(
        path="device/esl/pushImage",
        title="Push an image to the ESL",
        source="Electronic Shelf Label, 4.3.5",
        scope="pos",
        parameters=(
            *SHOP_PARAMETERS,
            ESL_ID,
            Parameter(
                name="pic",
                type="file",
                required=True,
                max_bytes=MAX_REQUEST_BYTES,
                picture_formats=PICTURE_FORMATS,
                description="The picture, in the size and colours of the label's model.",
            ),
        ),
        return_codes=cloud_codes(
            {
                5004: "system error",
                5005: "invalid file",
                5020: "invalid parameter",
                5300: "invalid AP",
                5301: "invalid ESL",
                5041: "invalid SaaS provider",
            }
        ),
        repeatable=True,
        relay=RelayPolicy(order_keys=(OrderKey("label", ("esl_id",)),), on_newer="replace"),
        note="The samples name a model SL121+, of which the table of pictures says nothing. The file has no limit of "
        "its own; the one on a whole request holds.",
    ),
    cloud_endpoint(
        path="device/esl/flashLed",
        title="Order the given ESL to flash its LED light",
        source="Electronic Shelf Label, 4.3.6",
        scope="pos",
        parameters=(
            *SHOP_PARAMETERS,
            ESL_ID,
            Parameter(name="channel", type="int", choices=LED_COLOURS, default=4, description="Colour of the LED."),
            Parameter(
                name="cycle", type="int", min=1, default=100, description="Length of one flash, in steps of 10 ms."
            ),
            Parameter(name="duration", type="int", min=1, default=8, description="Number of flashes."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_LABEL}),
        relay=RelayPolicy(order_keys=(OrderKey("flash", ("esl_id",)),), expires_after_s=60),
    ),
    cloud_endpoint(
        path="device/esl/setRefreshTime",
        title="Set the refresh rate of a given ESL",
        source="Electronic Shelf Label, 4.3.7",
        scope="installer",
        availability="unavailable",
        parameters=(
            *SHOP_PARAMETERS,
            *LABEL_BY_CODE_OR_ID,
            Parameter(name="refresh_time", type="int", required=True, min=1, description="The interval in seconds."),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=f"esl_id is typed int here alone; identifiers are text. {GENERAL_CODES_NOTE}",
    ),
    cloud_endpoint(
        path="device/getOverview",
        title="Get the overview of both a shop's ESL and its AP",
        source="Electronic Shelf Label, 4.3.8",
        scope="pos",
        parameters=SHOP_PARAMETERS,
        response_fields=(
            int_field("ap_total_count", "Number of access points."),
            int_field("esl_total_count", "Number of labels."),
            int_field("esl_pending_count", "Labels that wait for data."),
            int_field("esl_failed_count", "Labels that could not be pushed to."),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=f"The description is its neighbour's, which is unavailable; this one is not. {GENERAL_CODES_NOTE}",
    ),
)

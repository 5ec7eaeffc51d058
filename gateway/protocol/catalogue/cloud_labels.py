"""Cloud endpoints `device/esl/*`: electronic shelf labels (NOTES: Shelf labels)."""

from typing import Final

from gateway.protocol.catalogue.answers import rows, text, whole
from gateway.protocol.catalogue.labels import (
    CODE_OR_ID,
    ESL_ID,
    LABEL_BY_CODE_OR_ID,
    LABEL_BY_CODE_OR_SN,
    LABEL_CODES,
    LABEL_STATUS,
)
from gateway.protocol.catalogue.shop import CODES_STATED_IN_GENERAL, MAX_BODY_BYTES, SHOP, cloud_endpoint, pages
from gateway.protocol.codes import GENERAL_CLOUD_CODES, cloud_codes
from gateway.protocol.parameters import Choice, Parameter, Picture
from gateway.protocol.relay_policy import OrderKey, RelayPolicy

_THREE_COLOURS: Final = ("black", "white", "red")

PICTURES: Final = (
    Picture("SL121", 212, 104, _THREE_COLOURS),
    Picture("SL126", 296, 152, _THREE_COLOURS),
    Picture("SL126+", 296, 152, ("black", "white")),
    Picture("SL142", 400, 300, _THREE_COLOURS),
    Picture("SL142+", 400, 300, _THREE_COLOURS),
)
"""The pictures that each model of label shows."""

_LED_COLOURS = (
    Choice(1, "white"),
    Choice(2, "blue"),
    Choice(4, "green"),
    Choice(8, "red"),
    Choice(512, "cyan"),
    Choice(1024, "purple"),
    Choice(2048, "yellow"),
)

_LABEL = (
    text("esl_id", "The label's identifier."),
    text("esl_code", "Its identifier of eight characters."),
    text("esl_sn", "Its serial number."),
    text("model_name", "Its model."),
    whole("status", LABEL_STATUS),
)
_INVALID_LABEL = {5301: "invalid ESL"}

ENDPOINTS = (
    cloud_endpoint(
        path="device/esl/bind",
        title="Bind an ESL to a shop",
        source="Electronic Shelf Label, 4.3.1",
        scope="installer",
        parameters=(*SHOP, *LABEL_BY_CODE_OR_SN),
        answer=(text("esl_id", "The label's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_LABEL, 5338: "ESL already bound"}),
    ),
    cloud_endpoint(
        path="device/esl/unbind",
        title="Unbind an ESL from a shop",
        source="Electronic Shelf Label, 4.3.2",
        scope="installer",
        parameters=(*SHOP, ESL_ID),
        answer=(text("esl_id", "The label's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_LABEL}),
        # (NOTES: Misprints)
        note="The description is its neighbour's; the heading is right.",
    ),
    cloud_endpoint(
        path="device/esl/getList",
        title="Get the list of ESLs from a shop",
        source="Electronic Shelf Label, 4.3.3",
        scope="pos",
        parameters=(*SHOP, *pages()),
        answer=(whole("total_count", "Number of labels."), *rows("esl_list", "The labels of this page.", *_LABEL)),
        return_codes=cloud_codes({**LABEL_CODES, 5020: "invalid parameter"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/esl/getInfo",
        title="Get the detail info of a given ESL",
        source="Electronic Shelf Label, 4.3.4",
        scope="pos",
        parameters=(*SHOP, *LABEL_BY_CODE_OR_ID),
        answer=(
            *_LABEL,
            text("screen_size_name", "Size of the screen, such as 2.13寸."),
            text("software_version", "Firmware."),
            whole("battery", "Charge in percent."),
            whole("rssi", "Strength of the radio signal in dBm."),
            whole("connect_time", "Unix time in seconds; the sample has a digit too many."),
            text("ap_id", "The access point's identifier."),
            text("ap_sn", "The access point's serial number."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5023: "parameter missing", 5502: "invalid ESL"}),
        repeatable=True,
        note=CODE_OR_ID,
    ),
    cloud_endpoint(
        path="device/esl/pushImage",
        title="Push an image to the ESL",
        source="Electronic Shelf Label, 4.3.5",
        scope="pos",
        parameters=(
            *SHOP,
            ESL_ID,
            Parameter(
                name="pic",
                type="file",
                required=True,
                max_bytes=MAX_BODY_BYTES,
                pictures=PICTURES,
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
            *SHOP,
            ESL_ID,
            Parameter(name="channel", type="int", choices=_LED_COLOURS, default=4, description="Colour of the LED."),
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
            *SHOP,
            *LABEL_BY_CODE_OR_ID,
            Parameter(name="refresh_time", type="int", required=True, min=1, description="The interval in seconds."),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=f"esl_id is typed int here alone; identifiers are text. {CODES_STATED_IN_GENERAL}",
    ),
    cloud_endpoint(
        path="device/getOverview",
        title="Get the overview of both a shop's ESL and its AP",
        source="Electronic Shelf Label, 4.3.8",
        scope="pos",
        parameters=SHOP,
        answer=(
            whole("ap_total_count", "Number of access points."),
            whole("esl_total_count", "Number of labels."),
            whole("esl_pending_count", "Labels that wait for data."),
            whole("esl_failed_count", "Labels that could not be pushed to."),
        ),
        return_codes=GENERAL_CLOUD_CODES,
        repeatable=True,
        note=f"The description is its neighbour's, which is unavailable; this one is not. {CODES_STATED_IN_GENERAL}",
    ),
)

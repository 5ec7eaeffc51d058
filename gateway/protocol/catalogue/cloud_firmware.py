"""Cloud endpoints `device/*/firmware/*`: firmware of shelf labels and their access points."""

from gateway.protocol.catalogue.labels import LABEL_CODES
from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field
from gateway.protocol.catalogue.shop import GENERAL_CODES_NOTE, SHOP_PARAMETERS, cloud_endpoint, page_parameters
from gateway.protocol.return_codes import GENERAL_CLOUD_CODES, cloud_codes

_PAGES = page_parameters(remark=" Currently without effect.")
_VERSION = (string_field("model_name", "Model."), string_field("software_version", "The newest firmware in use."))

ENDPOINTS = (
    cloud_endpoint(
        path="device/ap/firmware/getList",
        title="Get the firmware info of APs by model",
        source="Electronic Shelf Label, 6.3.1",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *_PAGES),
        response_fields=(
            int_field("total_count", "Number of models."),
            *object_list("ap_firmware_list", "One row for each model of access point.", *_VERSION),
        ),
        return_codes=cloud_codes(LABEL_CODES),
        repeatable=True,
    ),
    cloud_endpoint(
        path="device/ap/firmware/upgrade",
        title="Update the firmware of APs",
        source="Electronic Shelf Label, 6.3.2",
        scope="admin",
        availability="unavailable",
        parameters=SHOP_PARAMETERS,
        return_codes=GENERAL_CLOUD_CODES,
        note=f"Said to upgrade by model, yet no parameter names one. {GENERAL_CODES_NOTE}",
    ),
    cloud_endpoint(
        path="device/esl/firmware/getList",
        title="Get the firmware info of ESLs by model",
        source="Electronic Shelf Label, 6.3.3",
        confidence="low",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *_PAGES),
        response_fields=(
            int_field("total_count", "Number of models."),
            *object_list("esl_firmware_list", "One row for each model of label.", *_VERSION),
            *object_list("ap_firmware_list", "The same, under the name in the sample.", *_VERSION),
        ),
        return_codes=cloud_codes(LABEL_CODES),
        repeatable=True,
        # (NOTES: Misprints)
        note="The sample is copied from the access points' and says ap_firmware_list: expect either.",
    ),
    cloud_endpoint(
        path="device/esl/firmware/upgrade",
        title="Update the firmware of ESLs",
        source="Electronic Shelf Label, 6.3.4",
        scope="admin",
        availability="unavailable",
        parameters=SHOP_PARAMETERS,
        return_codes=GENERAL_CLOUD_CODES,
        note=f"Said to upgrade by model, yet no parameter names one. {GENERAL_CODES_NOTE}",
    ),
)

"""Cloud endpoints `device/*/firmware/*`: firmware of shelf labels and their access points."""

from gateway.protocol.catalogue.answers import rows, text, whole
from gateway.protocol.catalogue.labels import LABEL_CODES
from gateway.protocol.catalogue.shop import CODES_STATED_IN_GENERAL, SHOP, cloud_endpoint, pages
from gateway.protocol.codes import GENERAL_CLOUD_CODES, cloud_codes

_PAGES = pages(remark=" Currently without effect.")
_VERSION = (text("model_name", "Model."), text("software_version", "The newest firmware in use."))

ENDPOINTS = (
    cloud_endpoint(
        path="device/ap/firmware/getList",
        title="Get the firmware info of APs by model",
        source="Electronic Shelf Label, 6.3.1",
        scope="pos",
        parameters=(*SHOP, *_PAGES),
        answer=(
            whole("total_count", "Number of models."),
            *rows("ap_firmware_list", "One row for each model of access point.", *_VERSION),
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
        parameters=SHOP,
        return_codes=GENERAL_CLOUD_CODES,
        note=f"Said to upgrade by model, yet no parameter names one. {CODES_STATED_IN_GENERAL}",
    ),
    cloud_endpoint(
        path="device/esl/firmware/getList",
        title="Get the firmware info of ESLs by model",
        source="Electronic Shelf Label, 6.3.3",
        scope="pos",
        parameters=(*SHOP, *_PAGES),
        answer=(
            whole("total_count", "Number of models."),
            *rows("esl_firmware_list", "One row for each model of label.", *_VERSION),
            *rows("ap_firmware_list", "The same, under the name in the sample.", *_VERSION),
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
        parameters=SHOP,
        return_codes=GENERAL_CLOUD_CODES,
        note=f"Said to upgrade by model, yet no parameter names one. {CODES_STATED_IN_GENERAL}",
    ),
)

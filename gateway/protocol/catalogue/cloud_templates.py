"""Cloud endpoints `template/*`: the layouts of shelf labels."""

from gateway.protocol.catalogue.answers import meanings, rows, text, whole
from gateway.protocol.catalogue.labels import LABEL_CODES, TEMPLATE_ID
from gateway.protocol.catalogue.shop import SHOP, cloud_endpoint, pages
from gateway.protocol.codes import cloud_codes
from gateway.protocol.parameters import Choice, Parameter

_COLOURS = (Choice(1, "black and white"), Choice(2, "black, white and red"))
_SCREENS = (Choice(1, "2.13 inch"), Choice(2, "2.6 inch"), Choice(3, "4.2 inch"))

_NAME = "Name of the template."
_JSON = "The template, as JSON text."
_COLOUR_ANSWERED = whole("template_color", f"{meanings(_COLOURS)} Currently not available.")
_SCREEN_ANSWERED = whole("template_screen", meanings(_SCREENS))
_BAD_TEMPLATE = {5005: "file error", 5343: "invalid template"}
_NAME_TAKEN = {5346: "template name already exists"}

ENDPOINTS = (
    cloud_endpoint(
        path="template/create",
        title="Create a new template",
        source="Electronic Shelf Label, 7.3.1",
        scope="installer",
        parameters=(
            *SHOP,
            Parameter(name="template_name", type="string", required=True, description=_NAME, example="sample"),
            Parameter(
                name="template_color",
                type="int",
                required=True,
                choices=_COLOURS,
                open=True,
                description="The colours that the template needs.",
            ),
            Parameter(
                name="template_screen",
                type="int",
                required=True,
                choices=_SCREENS,
                open=True,
                description="The screen that the template is made for.",
            ),
            Parameter(name="template_json", type="string", required=True, description=_JSON),
        ),
        answer=(text("template_id", "The template's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_BAD_TEMPLATE, **_NAME_TAKEN}),
    ),
    cloud_endpoint(
        path="template/update",
        title="Update a given template",
        source="Electronic Shelf Label, 7.3.2",
        scope="installer",
        parameters=(
            *SHOP,
            TEMPLATE_ID,
            Parameter(name="template_name", type="string", description=_NAME, example="sample"),
            Parameter(name="template_json", type="string", description=_JSON),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_BAD_TEMPLATE, **_NAME_TAKEN}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="template/getList",
        title="Get all templates",
        source="Electronic Shelf Label, 7.3.3",
        scope="pos",
        parameters=(*SHOP, *pages(defaults=False)),
        answer=(
            whole("total_count", "Number of templates."),
            *rows(
                "template_list",
                "The templates of this page.",
                text("template_id", "The template's identifier."),
                text("template_name", _NAME),
                _COLOUR_ANSWERED,
                _SCREEN_ANSWERED,
            ),
        ),
        return_codes=cloud_codes({**LABEL_CODES, 5020: "invalid parameters"}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="template/getInfo",
        title="Get the detail of a given template",
        source="Electronic Shelf Label, 7.3.4",
        scope="pos",
        parameters=(*SHOP, TEMPLATE_ID),
        answer=(
            text("template_name", _NAME),
            text("template_color_name", "The colours, such as BW."),
            text("template_screen_type_name", "The screen, such as 2.6."),
            text("template_json", _JSON),
            _COLOUR_ANSWERED,
            whole("template_screen", f"{meanings(_SCREENS)} Currently not available."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_BAD_TEMPLATE}),
        repeatable=True,
        # (NOTES: Misprints)
        note="The sample's keys 'template_color:' and 'template _screen' are misprints.",
    ),
    cloud_endpoint(
        path="template/delete",
        title="Delete a template",
        source="Electronic Shelf Label, 7.3.5",
        scope="installer",
        parameters=(
            *SHOP,
            Parameter(
                name="template_id_list",
                type="array",
                items="string",
                required=True,
                description="The templates.",
                example='["1000"]',
            ),
        ),
        return_codes=cloud_codes(LABEL_CODES),
    ),
)

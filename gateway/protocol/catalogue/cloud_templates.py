"""Cloud endpoints `template/*`: the layouts of shelf labels."""

from gateway.protocol.catalogue.labels import LABEL_CODES, TEMPLATE_ID
from gateway.protocol.catalogue.response_fields import describe_choices, int_field, object_list, string_field
from gateway.protocol.catalogue.shop import SHOP_PARAMETERS, cloud_endpoint, page_parameters
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.return_codes import cloud_codes

_COLOURS = (Choice(1, "black and white"), Choice(2, "black, white and red"))
_SCREENS = (Choice(1, "2.13 inch"), Choice(2, "2.6 inch"), Choice(3, "4.2 inch"))

_NAME = "Name of the template."
_JSON = "The template, as JSON text."
_COLOUR_FIELD = int_field("template_color", f"{describe_choices(_COLOURS)} Currently not available.")
_SCREEN_FIELD = int_field("template_screen", describe_choices(_SCREENS))
_INVALID_TEMPLATE = {5005: "file error", 5343: "invalid template"}
_NAME_TAKEN = {5346: "template name already exists"}

ENDPOINTS = (
    cloud_endpoint(
        path="template/create",
        title="Create a new template",
        source="Electronic Shelf Label, 7.3.1",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
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
        response_fields=(string_field("template_id", "The template's identifier."),),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_TEMPLATE, **_NAME_TAKEN}),
    ),
    cloud_endpoint(
        path="template/update",
        title="Update a given template",
        source="Electronic Shelf Label, 7.3.2",
        scope="installer",
        parameters=(
            *SHOP_PARAMETERS,
            TEMPLATE_ID,
            Parameter(name="template_name", type="string", description=_NAME, example="sample"),
            Parameter(name="template_json", type="string", description=_JSON),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_TEMPLATE, **_NAME_TAKEN}),
        repeatable=True,
    ),
    cloud_endpoint(
        path="template/getList",
        title="Get all templates",
        source="Electronic Shelf Label, 7.3.3",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *page_parameters(defaults=False)),
        response_fields=(
            int_field("total_count", "Number of templates."),
            *object_list(
                "template_list",
                "The templates of this page.",
                string_field("template_id", "The template's identifier."),
                string_field("template_name", _NAME),
                _COLOUR_FIELD,
                _SCREEN_FIELD,
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
        parameters=(*SHOP_PARAMETERS, TEMPLATE_ID),
        response_fields=(
            string_field("template_name", _NAME),
            string_field("template_color_name", "The colours, such as BW."),
            string_field("template_screen_type_name", "The screen, such as 2.6."),
            string_field("template_json", _JSON),
            _COLOUR_FIELD,
            int_field("template_screen", f"{describe_choices(_SCREENS)} Currently not available."),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_TEMPLATE}),
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
            *SHOP_PARAMETERS,
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

"""Cloud endpoints `product/*`: products, and the labels that show them (NOTES: Product lists; Product updates)."""

from typing import Final

from gateway.protocol.catalogue.labels import (
    LABEL_BY_CODE_OR_ID,
    LABEL_CODES,
    LABEL_IDENTIFIER_NOTE,
    LABEL_STATUS_DESCRIPTION,
    PRODUCT_ID,
    TEMPLATE_ID,
)
from gateway.protocol.catalogue.response_fields import int_field, object_list, string_field, string_list
from gateway.protocol.catalogue.shop import MAX_BATCH_SIZE, SHOP_PARAMETERS, cloud_endpoint, page_parameters
from gateway.protocol.endpoint import ResponseField
from gateway.protocol.parameters import Parameter
from gateway.protocol.relay_policy import OrderKey, RelayPolicy, ResultList
from gateway.protocol.return_codes import cloud_codes

_PRICES = (
    ("price", "Current selling price"),
    ("promote_price", "Promotion price"),
    ("member_price", "Price for members"),
)
_TEXTS = (
    ("seq_num", "Sequence number."),
    ("bar_code", "Bar code."),
    ("alias", "Another name."),
    ("spec", "Specification."),
    ("unit", "Unit."),
    ("level", "Grade."),
    ("area", "Place of origin."),
    ("brand", "Brand."),
    ("qr_code", "Address that the QR code leads to."),
)


PRICE_DECIMALS: Final = 2
"""How many digits a price has after the point."""


def _product_fields(*, name_required: bool) -> tuple[Parameter, ...]:
    return (
        Parameter(name="id", type="string", required=True, description="The product's own number.", example="1"),
        Parameter(name="name", type="string", required=name_required, description="Name.", example="Cola"),
        *(Parameter(name=name, type="string", description=description) for name, description in _TEXTS),
        *(
            Parameter(name=name, type="number", min=0, description=f"{description}; two digits after the point.")
            for name, description in _PRICES
        ),
        Parameter(name="expire_time", type="int", description="When it expires."),
    )


PRODUCT_FIELDS: Final = _product_fields(name_required=True)
"""The fields of a new product. Others pass."""


def _product_list(*, name_required: bool, description: str) -> Parameter:
    return Parameter(
        name="product_list",
        type="array",
        items="object",
        required=True,
        description=f"{description} Properties that are not known here pass through.",
        properties=_product_fields(name_required=name_required),
    )


_INVALID_LIST = string_list("invalid_list", "Numbers of the products that were refused.")
_REFUSED_AS_INVALID = ResultList("refused", "the cloud takes this product for invalid")
_NOT_KNOWN = "the cloud does not know this product"
_NOT_EXIST_LIST = string_list("not_exist_list", "Numbers of the products that did not exist.")

_LABEL_KEY = OrderKey("label", ("esl_id", "esl_code"))
_PRODUCT_KEY = OrderKey("product", ("id",))

_INVALID_PRODUCT = {5015: "invalid product"}
_INVALID_PARAMETER = {5020: "invalid parameters"}
_INVALID_TEMPLATE = {5343: "invalid template"}
_INVALID_IMAGE = {5342: "invalid ESL image", 5006: "OSS error"}
_CHANGE_CODES = {
    1: "the list is not valid JSON, or a required field is missing",
    **LABEL_CODES,
    **_INVALID_PRODUCT,
}
_FAILURE = {1: "failure; msg tells the reason"}
_ONE_OR_5XXX = (
    "One document lists 5xxx codes, the other says that failure is 1: a request that cannot be read or lacks a field "
    "gives 1, anything else 5xxx."
)
_AGREED_NOTE = "The vendor agrees the details with each SaaS provider."
_INVALID_LIST_NOTE = "A list that is malformed gives code 1; one bad product in a good list is named in invalid_list."

ENDPOINTS = (
    cloud_endpoint(
        path="product/bindEsl",
        title="Bind a product to an ESL",
        source="Electronic Shelf Label, 8.3.1",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, PRODUCT_ID, *LABEL_BY_CODE_OR_ID, TEMPLATE_ID),
        return_codes=cloud_codes(
            {
                **LABEL_CODES,
                **_INVALID_PARAMETER,
                **_INVALID_PRODUCT,
                **_INVALID_TEMPLATE,
                5300: "invalid AP",
                5301: "invalid ESL",
                5338: "ESL already bound to another shop",
                **_INVALID_IMAGE,
            }
        ),
        relay=RelayPolicy(order_keys=(_LABEL_KEY, OrderKey("product", ("product_id",))), barrier=True),
        note=LABEL_IDENTIFIER_NOTE,
    ),
    cloud_endpoint(
        path="product/unbindEsl",
        title="Unbind a product from an ESL",
        source="Electronic Shelf Label, 8.3.2",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, *LABEL_BY_CODE_OR_ID),
        return_codes=cloud_codes(
            {
                **LABEL_CODES,
                **_INVALID_PARAMETER,
                5301: "invalid ESL",
                5320: "ESL not bound",
                5336: "ESL bound to another shop",
                **_INVALID_IMAGE,
            }
        ),
        relay=RelayPolicy(order_keys=(_LABEL_KEY,), barrier=True, done_codes=(5320,)),
        note=LABEL_IDENTIFIER_NOTE,
    ),
    cloud_endpoint(
        path="product/getBindEslList",
        title="Get the list of ESLs",
        source="Electronic Shelf Label, 8.3.3",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, PRODUCT_ID),
        response_fields=object_list(
            "esl_list",
            "The labels that show the product.",
            string_field("esl_id", "The label's identifier."),
            string_field("esl_code", "Its identifier of eight characters."),
            string_field("template_id", "The template that it shows."),
            int_field("status", LABEL_STATUS_DESCRIPTION),
        ),
        return_codes=cloud_codes({**LABEL_CODES, **_INVALID_PARAMETER, 5301: "invalid ESL", **_INVALID_PRODUCT}),
        repeatable=True,
        # (NOTES: Misprints)
        note="The description is its neighbour's; the heading is right.",
    ),
    cloud_endpoint(
        path="product/updateTemplate",
        title="Update the template of a product",
        source="Electronic Shelf Label, 8.3.4",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, PRODUCT_ID, TEMPLATE_ID),
        return_codes=cloud_codes(
            {
                **LABEL_CODES,
                **_INVALID_PARAMETER,
                5005: "file error",
                **_INVALID_TEMPLATE,
                **_INVALID_PRODUCT,
                **_INVALID_IMAGE,
            }
        ),
        relay=RelayPolicy(order_keys=(OrderKey("product", ("product_id",)),), on_newer="replace"),
        repeatable=True,
    ),
    cloud_endpoint(
        path="product/getInfo",
        title="Get product info",
        source="Electronic Shelf Label, 8.3.5",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, PRODUCT_ID),
        response_fields=(
            string_field("id", "The product's own number."),
            string_field("name", "Name."),
            *(string_field(name, description) for name, description in _TEXTS),
            *(ResponseField(name, "number", f"{description}.") for name, description in _PRICES),
            int_field("expire_time", "When it expires."),
        ),
        return_codes=cloud_codes({**_FAILURE, **LABEL_CODES, 5015: "invalid product id"}),
        repeatable=True,
        note=_ONE_OR_5XXX,
    ),
    cloud_endpoint(
        path="product/getList",
        title="Get product list",
        source="Electronic Shelf Label, 8.3.6",
        scope="pos",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(name="keyword", type="string", description="What to search for."),
            *page_parameters(defaults=False),
        ),
        response_fields=(
            int_field("total_count", "Number of products."),
            *object_list(
                "product_list",
                "The products of this page.",
                string_field("id", "The product's own number."),
                string_field("name", "Name."),
                string_field("seq_num", "Sequence number."),
                string_field("bar_code", "Bar code."),
                string_field("category_id", "The product's category."),
                ResponseField("price", "number", "Current selling price."),
                int_field("modified_time", "When it was changed last."),
            ),
        ),
        return_codes=cloud_codes({**_FAILURE, **LABEL_CODES, **_INVALID_PARAMETER}),
        repeatable=True,
        note=_ONE_OR_5XXX,
    ),
    cloud_endpoint(
        path="product/create",
        title="Create New Product",
        source="Product APIs, 3.1.2",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _product_list(name_required=True, description="The new products.")),
        response_fields=(*string_list("exist_list", "Numbers of the products that existed already."), *_INVALID_LIST),
        return_codes=cloud_codes(_CHANGE_CODES),
        relay=RelayPolicy(
            list_parameter="product_list",
            order_keys=(_PRODUCT_KEY,),
            barrier=True,
            max_batch_size=MAX_BATCH_SIZE,
            result_lists={
                "exist_list": ResultList("redirected", "the cloud has this product already"),
                "invalid_list": _REFUSED_AS_INVALID,
            },
            redirect_to="product/update",
        ),
        note=f"{_AGREED_NOTE} {_INVALID_LIST_NOTE} The price is optional here and required in the mapping.",
    ),
    cloud_endpoint(
        path="product/update",
        title="Update Product",
        source="Product APIs, 3.2.3",
        scope="pos",
        parameters=(*SHOP_PARAMETERS, _product_list(name_required=False, description="The products to change, by id.")),
        response_fields=(*_NOT_EXIST_LIST, *_INVALID_LIST),
        return_codes=cloud_codes(_CHANGE_CODES),
        relay=RelayPolicy(
            list_parameter="product_list",
            order_keys=(_PRODUCT_KEY,),
            on_newer="merge",
            max_batch_size=MAX_BATCH_SIZE,
            result_lists={"not_exist_list": ResultList("refused", _NOT_KNOWN), "invalid_list": _REFUSED_AS_INVALID},
            creating_member="name",
        ),
        repeatable=True,
        note=f"{_AGREED_NOTE} {_INVALID_LIST_NOTE} Only the properties given are changed. The description says that a "
        "product that does not exist is only named in not_exist_list; example 6.2.2 says that it is created as well.",
    ),
    cloud_endpoint(
        path="product/delete",
        title="Delete Product",
        source="Product APIs, 3.2.4",
        scope="installer",
        pos_setting="pos_deletes_products",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="product_key_list",
                type="array",
                items="string",
                required=True,
                description="The products, by id.",
                example="[2]",
            ),
        ),
        response_fields=_NOT_EXIST_LIST,
        return_codes=cloud_codes(_CHANGE_CODES),
        relay=RelayPolicy(
            list_parameter="product_key_list",
            order_keys=(OrderKey("product"),),
            barrier=True,
            max_batch_size=MAX_BATCH_SIZE,
            result_lists={"not_exist_list": ResultList("delivered", _NOT_KNOWN)},
        ),
        note=f"{_AGREED_NOTE} Code 1 is not listed for it, but given by its siblings for a list that cannot be read.",
    ),
)

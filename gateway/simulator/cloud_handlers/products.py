"""Products, the labels that show them, and orders."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.protocol import json_text
from gateway.protocol.values import InvalidValue
from gateway.simulator.cloud_handlers.labels import TEMPLATE_NOT_FOUND, find_label
from gateway.simulator.cloud_state import CloudCall, CloudHandler, ResponseData, find_row
from gateway.simulator.label_pictures import PUSHED
from gateway.simulator.validation import GENERAL_FAILURE, CallRefused

_PRODUCT_NOT_FOUND: Final = (5015, 5020)
_NOT_BOUND: Final = (5320, 5301)
_NUMBER_FIELDS: Final = ("price", "promote_price", "member_price", "expire_time")


def _split_items(call: CloudCall, name: str, key: str) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Return the valid items of a list by their key, and the keys of the invalid ones.

    An item without its key cannot be named in a response: the whole call is refused (examples 6.1.4 and 6.2.4).
    """
    parameter = next(known for known in call.endpoint.parameters if known.name == name)
    valid: list[tuple[str, dict[str, Any]]] = []
    invalid: list[str] = []
    for item in json_text.loads(call.fields[name]):
        item_key = str(item.get(key) or "") if isinstance(item, dict) else ""
        if not item_key:
            raise CallRefused(GENERAL_FAILURE)
        try:
            parameter.encode([item])
        except InvalidValue:
            invalid.append(item_key)
        else:
            valid.append((item_key, item))
    return valid, invalid


def _create_products(call: CloudCall) -> ResponseData:
    valid, invalid = _split_items(call, "product_list", "id")
    existing = [product_id for product_id, item in valid if not _store_product(call, product_id, item, create=True)]
    return {"exist_list": existing, "invalid_list": invalid}


def _update_products(call: CloudCall) -> ResponseData:
    valid, invalid = _split_items(call, "product_list", "id")
    products = call.shop.products
    new = [product_id for product_id, item in valid if product_id not in products]
    for product_id, item in valid:
        # Example 6.2.2 creates a product that does not exist, though the description says otherwise.
        if product_id in products or item.get("name"):
            _store_product(call, product_id, item, create=product_id not in products)
    return {"not_exist_list": list(dict.fromkeys(new)), "invalid_list": invalid}


def _store_product(call: CloudCall, product_id: str, item: Mapping[str, Any], *, create: bool) -> bool:
    products = call.shop.products
    if create == (product_id in products):
        return False
    # Empty text stands for no value; that it takes one away, but for a name, is a guess (NOTES: Empty values).
    product = {**products.get(product_id, {}), **item, "name": item.get("name") or products[product_id]["name"]}
    products[product_id] = {name: value for name, value in product.items() if value != ""}
    call.shop.product_times[product_id] = call.now
    return True


def _delete_products(call: CloudCall) -> ResponseData:
    keys = call.read_list("product_key_list")
    missing = [key for key in keys if call.shop.products.pop(key, None) is None]
    return {"not_exist_list": missing}


def _build_row(product: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for name in names:
        value = product.get(name)
        if name in _NUMBER_FIELDS:
            row[name] = 0 if value is None else Decimal(str(value))
        else:
            row[name] = "" if value is None else value
    return row


def _get_product(call: CloudCall) -> ResponseData:
    product = find_row(call.shop.products, call.fields.get("product_id"), *_PRODUCT_NOT_FOUND)
    names = [known.path for known in call.endpoint.response_fields]
    return {**_build_row(product, names), "id": call.fields["product_id"]}


def _list_products(call: CloudCall) -> ResponseData:
    keyword = call.fields.get("keyword", "")
    rows = [
        {
            **_build_row(product, ("name", "seq_num", "bar_code", "category_id", "price")),
            "id": product_id,
            "modified_time": call.shop.product_times[product_id],
        }
        for product_id, product in call.shop.products.items()
        if keyword in str(product.get("name", ""))
    ]
    return {"total_count": len(rows), "product_list": call.select_page(rows)}


def _bind_label(call: CloudCall) -> ResponseData:
    find_row(call.shop.products, call.fields.get("product_id"), *_PRODUCT_NOT_FOUND)
    find_row(call.shop.templates, call.fields.get("template_id"), *TEMPLATE_NOT_FOUND)
    label = find_label(call)
    label.product_id, label.template_id, label.status = call.fields["product_id"], call.fields["template_id"], PUSHED
    call.shop.waiting_labels.pop(label.esl_id, None)
    label.draw_by_template()
    return {}


def _unbind_label(call: CloudCall) -> ResponseData:
    label = find_label(call)
    if not label.product_id:
        raise CallRefused(*_NOT_BOUND)
    label.product_id = label.template_id = ""
    return {}


def _list_bound_labels(call: CloudCall) -> ResponseData:
    find_row(call.shop.products, call.fields.get("product_id"), *_PRODUCT_NOT_FOUND)
    rows = [
        {"esl_id": label.esl_id, "esl_code": label.code, "template_id": label.template_id, "status": label.status}
        for label in call.shop.labels.values()
        if label.product_id == call.fields["product_id"]
    ]
    return {"esl_list": rows}


def _set_template(call: CloudCall) -> ResponseData:
    find_row(call.shop.products, call.fields.get("product_id"), *_PRODUCT_NOT_FOUND)
    find_row(call.shop.templates, call.fields.get("template_id"), *TEMPLATE_NOT_FOUND)
    for label in call.shop.labels.values():
        if label.product_id == call.fields["product_id"]:
            label.template_id = call.fields["template_id"]
            label.draw_by_template()
    return {}


def _store_orders(call: CloudCall) -> ResponseData:
    valid, invalid = _split_items(call, "order_list", "order_no")
    call.shop.orders.update(valid)
    return {"invalid_list": invalid}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "product/create": _create_products,
    "product/update": _update_products,
    "product/delete": _delete_products,
    "product/getInfo": _get_product,
    "product/getList": _list_products,
    "product/bindEsl": _bind_label,
    "product/unbindEsl": _unbind_label,
    "product/getBindEslList": _list_bound_labels,
    "product/updateTemplate": _set_template,
    "order/update": _store_orders,
}

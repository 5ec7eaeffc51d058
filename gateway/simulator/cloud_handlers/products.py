"""Products, the labels that show them, and orders."""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from gateway.protocol import json_text
from gateway.protocol.parameters import InvalidValue
from gateway.simulator.cloud_handlers.labels import NO_TEMPLATE, label
from gateway.simulator.cloud_state import CloudCall, CloudHandler, Data, found
from gateway.simulator.validation import GENERAL_FAILURE, CallRefused

_NO_PRODUCT: Final = (5015, 5020)
_NOT_BOUND: Final = (5320, 5301)
_NUMBERS: Final = ("price", "promote_price", "member_price", "expire_time")
_PUSHED: Final = 3


def _items(call: CloudCall, name: str, key: str) -> tuple[list[tuple[str, dict[str, Any]]], list[str]]:
    """Return the good items of a list by their key, and the keys of the bad ones.

    An item without its key cannot be named in an answer: the whole call fails (examples 6.1.4 and 6.2.4).
    """
    parameter = next(known for known in call.endpoint.parameters if known.name == name)
    good: list[tuple[str, dict[str, Any]]] = []
    bad: list[str] = []
    for item in json_text.loads(call.fields[name]):
        item_key = str(item.get(key) or "") if isinstance(item, dict) else ""
        if not item_key:
            raise CallRefused(GENERAL_FAILURE)
        try:
            parameter.encode([item])
        except InvalidValue:
            bad.append(item_key)
        else:
            good.append((item_key, item))
    return good, bad


def _create(call: CloudCall) -> Data:
    good, bad = _items(call, "product_list", "id")
    existed = [product_id for product_id, item in good if not _keep(call, product_id, item, create=True)]
    return {"exist_list": existed, "invalid_list": bad}


def _update(call: CloudCall) -> Data:
    good, bad = _items(call, "product_list", "id")
    products = call.shop.products
    new = [product_id for product_id, item in good if product_id not in products]
    for product_id, item in good:
        # Example 6.2.2 creates a product that does not exist, though the description says otherwise.
        if product_id in products or item.get("name"):
            _keep(call, product_id, item, create=product_id not in products)
    return {"not_exist_list": list(dict.fromkeys(new)), "invalid_list": bad}


def _keep(call: CloudCall, product_id: str, item: Mapping[str, Any], *, create: bool) -> bool:
    products = call.shop.products
    if create == (product_id in products):
        return False
    # An empty text stands for no value (NOTES: Empty values).
    products.setdefault(product_id, {}).update({name: value for name, value in item.items() if value != ""})
    call.shop.product_times[product_id] = call.now
    return True


def _delete(call: CloudCall) -> Data:
    keys = call.texts("product_key_list")
    missing = [key for key in keys if call.shop.products.pop(key, None) is None]
    return {"not_exist_list": missing}


def _answered(product: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    answered: dict[str, Any] = {}
    for name in names:
        value = product.get(name)
        if name in _NUMBERS:
            answered[name] = 0 if value is None else Decimal(str(value))
        else:
            answered[name] = "" if value is None else value
    return answered


def _info(call: CloudCall) -> Data:
    product = found(call.shop.products, call.fields.get("product_id"), *_NO_PRODUCT)
    names = [known.path for known in call.endpoint.response_fields]
    return {**_answered(product, names), "id": call.fields["product_id"]}


def _list(call: CloudCall) -> Data:
    keyword = call.fields.get("keyword", "")
    rows = [
        {
            **_answered(product, ("name", "seq_num", "bar_code", "category_id", "price")),
            "id": product_id,
            "modified_time": call.shop.product_times[product_id],
        }
        for product_id, product in call.shop.products.items()
        if keyword in str(product.get("name", ""))
    ]
    return {"total_count": len(rows), "product_list": call.page(rows)}


def _bind(call: CloudCall) -> Data:
    found(call.shop.products, call.fields.get("product_id"), *_NO_PRODUCT)
    found(call.shop.templates, call.fields.get("template_id"), *NO_TEMPLATE)
    one = label(call)
    one.product_id, one.template_id, one.status = call.fields["product_id"], call.fields["template_id"], _PUSHED
    return {}


def _unbind(call: CloudCall) -> Data:
    one = label(call)
    if not one.product_id:
        raise CallRefused(*_NOT_BOUND)
    one.product_id = one.template_id = ""
    return {}


def _bound(call: CloudCall) -> Data:
    found(call.shop.products, call.fields.get("product_id"), *_NO_PRODUCT)
    rows = [
        {"esl_id": one.esl_id, "esl_code": one.code, "template_id": one.template_id, "status": one.status}
        for one in call.shop.labels.values()
        if one.product_id == call.fields["product_id"]
    ]
    return {"esl_list": rows}


def _change_template(call: CloudCall) -> Data:
    found(call.shop.products, call.fields.get("product_id"), *_NO_PRODUCT)
    found(call.shop.templates, call.fields.get("template_id"), *NO_TEMPLATE)
    for one in call.shop.labels.values():
        if one.product_id == call.fields["product_id"]:
            one.template_id = call.fields["template_id"]
    return {}


def _orders(call: CloudCall) -> Data:
    good, bad = _items(call, "order_list", "order_no")
    call.shop.orders.update(good)
    return {"invalid_list": bad}


HANDLERS: Final[Mapping[str, CloudHandler]] = {
    "product/create": _create,
    "product/update": _update,
    "product/delete": _delete,
    "product/getInfo": _info,
    "product/getList": _list,
    "product/bindEsl": _bind,
    "product/unbindEsl": _unbind,
    "product/getBindEslList": _bound,
    "product/updateTemplate": _change_template,
    "order/update": _orders,
}

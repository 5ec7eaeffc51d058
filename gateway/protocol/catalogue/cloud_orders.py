"""Cloud endpoint `order/update`: the orders of a POS terminal (NOTES: Orders)."""

from gateway.protocol.catalogue.response_fields import string_list
from gateway.protocol.catalogue.shop import MAX_BATCH_SIZE, SHOP_PARAMETERS, cloud_endpoint
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.relay_policy import OrderKey, RelayPolicy, ResultList
from gateway.protocol.return_codes import cloud_codes

_ORDER_TYPES = (
    Choice(1, "normal order"),
    Choice(2, "cancelled (in newer documents: refund)"),
    Choice(3, "exchanged for a new product"),
    Choice(4, "suspended"),
    Choice(5, "report (in newer documents: list)"),
    Choice(6, "payment failed (newer documents)"),
    Choice(7, "cancelled (newer documents)"),
    Choice(8, "other (newer documents)"),
)
_PAYMENT_TYPES = tuple(
    Choice(number, meaning)
    for number, meaning in enumerate(
        ("cash", "Alipay", "WeChat Pay", "QQ Pay", "JD wallet", "credit card", "UnionPay QR code", "other"), start=1
    )
)
_ORDER_SOURCES = (Choice(1, "offline"), Choice(2, "online"))
_COUPON_SOURCES = (Choice(1, "shop"), Choice(2, "Alipay"), Choice(3, "WeChat Pay"), Choice(4, "other"))


def _string(name: str, description: str = "") -> Parameter:
    return Parameter(name=name, type="string", description=description)


def _amount(name: str, description: str, example: str | None = None) -> Parameter:
    text = f"{description} Two digits after the point."
    return Parameter(name=name, type="number", description=text, example=example)


def _quantity(name: str, description: str) -> Parameter:
    return Parameter(name=name, type="number", description=f"{description} Three digits after the point.")


def _time(name: str, description: str) -> Parameter:
    return Parameter(
        name=name, type="int", format="timestamp", description=f"{description}, Unix time.", example=1593029283
    )


def _coded(name: str, description: str, choices: tuple[Choice, ...], default: int | None = None) -> Parameter:
    return Parameter(name=name, type="int", choices=choices, open=True, default=default, description=description)


_PRODUCT = (
    _string("name", "Name of the product."),
    _string("seq_num", "Sequence number of the product."),
    _string("bar_code", "Bar code of the product."),
    _string("spec", "Specification of the product."),
    _string("unit", "Unit of the product."),
    _quantity("quantity", "Quantity sold."),
    _quantity("stock_quantity", "Quantity in stock."),
    _amount("original_price", "Original price."),
    _amount("present_price", "Present price."),
    _amount("promote_amount", "Promotion price."),
    _amount("subtotal_amount", "Subtotal of this product."),
    _string("color", "Colour code, where the product has one."),
    _string("size", "Size code, where the product has one."),
)

_ORDER = (
    Parameter(
        name="order_no",
        type="string",
        required=True,
        description="The order's own number.",
        example="CN0000938",
    ),
    _coded("order_type", "Type of the order.", _ORDER_TYPES),
    _time("order_time", "When the order was made"),
    _time("order_start_time", "When the order was begun"),
    _amount("purchase_amount", "Amount of the purchase."),
    _amount("discount_amount", "Amount of the discount."),
    _amount("received_amount", "Amount received.", example="12.80"),
    _coded("payment_type", "How it was paid.", _PAYMENT_TYPES),
    Parameter(name="customer_count", type="int", default=1, description="Number of customers."),
    _string("device_sn", "Serial number of the till."),
    _string("software_name"),
    _string("software_spec"),
    _string("hardware_name"),
    _string("hardware_spec"),
    _string("cashier_no"),
    _string("cashier_disk"),
    _string("shop_assistant_no"),
    _coded("order_source", "Where the order comes from.", _ORDER_SOURCES, default=1),
    _string("member_no"),
    _string("ali_id"),
    _string("wechat_open_id"),
    Parameter(name="member_points", type="number"),
    _string("coupon_no"),
    _coded("coupon_source", "Where the coupon comes from.", _COUPON_SOURCES),
    _string("receipt_no"),
    _string("sunmi_receipt_no"),
    Parameter(name="product_list", type="array", items="object", properties=_PRODUCT, description="What was sold."),
)

ENDPOINTS = (
    cloud_endpoint(
        path="order/update",
        title="Update order",
        source="Order APIs, 3.1.2",
        scope="pos",
        parameters=(
            *SHOP_PARAMETERS,
            Parameter(
                name="order_list",
                type="array",
                items="object",
                required=True,
                properties=_ORDER,
                description="The orders. Real ones have more properties; those pass through.",
            ),
        ),
        response_fields=string_list("invalid_list", "Numbers of the orders that were refused."),
        return_codes=cloud_codes({5041: "invalid SaaS provider", 5047: "invalid order"}),
        relay=RelayPolicy(
            list_parameter="order_list",
            order_keys=(OrderKey("order", ("order_no",)),),
            deduplicated=True,
            max_batch_size=MAX_BATCH_SIZE,
            result_lists={"invalid_list": ResultList("refused", "the cloud takes this order for invalid")},
        ),
        note="Not repeatable: no document says that the cloud takes the same order twice as one. "
        "The vendor agrees the details with each SaaS provider. Which properties are required is left blank; "
        "order_no is, because the response names refused orders by it. The meanings of order_type differ "
        "between documents; the number is passed on as it is.",
    ),
)

"""Cloud endpoint `order/update`: the orders of a POS terminal (NOTES: Orders)."""

from gateway.protocol.catalogue.answers import texts
from gateway.protocol.catalogue.shop import ITEMS_PER_CALL, SHOP, cloud_endpoint
from gateway.protocol.codes import cloud_codes
from gateway.protocol.parameters import Choice, Parameter
from gateway.protocol.relay_policy import OrderKey, RelayPolicy

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


def _text(name: str, description: str = "") -> Parameter:
    return Parameter(name=name, type="string", description=description)


def _amount(name: str, description: str) -> Parameter:
    return Parameter(name=name, type="number", description=f"{description} Two digits after the point.")


def _quantity(name: str, description: str) -> Parameter:
    return Parameter(name=name, type="number", description=f"{description} Three digits after the point.")


def _time(name: str, description: str) -> Parameter:
    return Parameter(
        name=name, type="int", format="timestamp", description=f"{description}, Unix time.", example=1593029283
    )


def _kind(name: str, description: str, choices: tuple[Choice, ...], default: int | None = None) -> Parameter:
    return Parameter(name=name, type="int", choices=choices, open=True, default=default, description=description)


_PRODUCT = (
    _text("name", "Name of the product."),
    _text("seq_num", "Sequence number of the product."),
    _text("bar_code", "Bar code of the product."),
    _text("spec", "Specification of the product."),
    _text("unit", "Unit of the product."),
    _quantity("quantity", "Quantity sold."),
    _quantity("stock_quantity", "Quantity in stock."),
    _amount("original_price", "Original price."),
    _amount("present_price", "Present price."),
    _amount("promote_amount", "Promotion price."),
    _amount("subtotal_amount", "Subtotal of this product."),
    _text("color", "Colour code, where the product has one."),
    _text("size", "Size code, where the product has one."),
)

_ORDER = (
    Parameter(
        name="order_no",
        type="string",
        required=True,
        description="The order's own number.",
        example="CN0000938",
    ),
    _kind("order_type", "Type of the order.", _ORDER_TYPES),
    _time("order_time", "When the order was made"),
    _time("order_start_time", "When the order was begun"),
    _amount("purchase_amount", "Amount of the purchase."),
    _amount("discount_amount", "Amount of the discount."),
    _amount("received_amount", "Amount received."),
    _kind("payment_type", "How it was paid.", _PAYMENT_TYPES),
    Parameter(name="customer_count", type="int", default=1, description="Number of customers."),
    _text("device_sn", "Serial number of the till."),
    _text("software_name"),
    _text("software_spec"),
    _text("hardware_name"),
    _text("hardware_spec"),
    _text("cashier_no"),
    _text("cashier_disk"),
    _text("shop_assistant_no"),
    _kind("order_source", "Where the order comes from.", _ORDER_SOURCES, default=1),
    _text("member_no"),
    _text("ali_id"),
    _text("wechat_open_id"),
    Parameter(name="member_points", type="number"),
    _text("coupon_no"),
    _kind("coupon_source", "Where the coupon comes from.", _COUPON_SOURCES),
    _text("receipt_no"),
    _text("sunmi_receipt_no"),
    Parameter(name="product_list", type="array", items="object", properties=_PRODUCT, description="What was sold."),
)

ENDPOINTS = (
    cloud_endpoint(
        path="order/update",
        title="Update order",
        source="Order APIs, 3.1.2",
        scope="pos",
        parameters=(
            *SHOP,
            Parameter(
                name="order_list",
                type="array",
                items="object",
                required=True,
                properties=_ORDER,
                description="The orders. Real ones have more properties; those pass through.",
            ),
        ),
        answer=texts("invalid_list", "Numbers of the orders that were refused."),
        return_codes=cloud_codes({5041: "invalid SaaS provider", 5047: "invalid order"}),
        relay=RelayPolicy(
            list_parameter="order_list",
            order_keys=(OrderKey("order", ("order_no",)),),
            deduplicated=True,
            max_batch_size=ITEMS_PER_CALL,
            result_lists={"invalid_list": "refused"},
        ),
        note="Not repeatable: no document says that the cloud takes the same order twice as one. "
        "The vendor agrees the details with each SaaS provider. Which properties are required is left blank; "
        "order_no is, because the answer names refused orders by it. The meanings of order_type differ "
        "between documents; the number is passed on as it is.",
    ),
)

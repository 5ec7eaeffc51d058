"""Checks of the way of the shop's products to the vendor."""

from firmware_tools.language import message
from gateway.doctor.check import CheckContext, Finding
from gateway.doctor.events import request_hook
from gateway.storage.state_directory import StateDirectory


async def check_product_fetch(context: CheckContext) -> list[Finding]:
    """See whether the vendor's cloud could fetch the list of products: it may, and the way leads here."""
    settings = context.settings
    path, base = settings.products.vendor_path, settings.hooks.public_url
    if not path or not base:
        missing = "hooks.public_url" if path else "products.vendor_path"
        what = message("the vendor's cloud cannot fetch the list of products: {setting} is not set", setting=missing)
        return [Finding("skipped", what)]
    is_signed = not (settings.products.vendor_addresses or settings.products.vendor_token)
    if is_signed and not (settings.cloud.app_id and settings.cloud.secret_key):
        return [
            Finding(
                "warning",
                message("the vendor's cloud may not fetch the list of products: its calls cannot be checked"),
                "",
                message(
                    "set cloud.app_id and cloud.secret_key, or products.vendor_addresses, or products.vendor_token"
                ),
            )
        ]
    if not (settings.cloud.shop_id or settings.cloud.sunmi_shop_no):
        return [
            Finding(
                "warning",
                message("the vendor's cloud may not fetch the list of products: the settings name no shop"),
                "",
                message("set cloud.shop_id, and restart"),
            )
        ]
    url = f"{base}{path}"
    problem = await request_hook(f"{url}/SECRET" if settings.products.vendor_token else url)
    if problem is None:
        return [Finding("ok", message("the vendor's cloud may fetch the list of products at {url}", url=url))]
    if not StateDirectory.load_address(context.settings.state_directory):
        advice = message("start the gateway, and run the doctor again")
    else:
        advice = message(
            "correct hooks.public_url, its name and certificate, and the router or proxy that passes it on"
        )
    return [Finding("warning", message("{url} does not lead to this gateway now", url=url), problem, advice)]

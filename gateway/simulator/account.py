"""The account that everything simulated belongs to unless another is given."""

from collections.abc import Mapping
from typing import Final

APP_ID: Final = "EF3OG8R5B32X0"
SECRET_KEY: Final = "kdsofkdsnflke9382938k"  # noqa: S105 - of the vendor's worked example
SHOP_ID: Final = "10096"
SUNMI_SHOP_NO: Final = "100000010096"
"""The platform's newer key of the same shop."""

ACCOUNTS: Final[Mapping[str, str]] = {APP_ID: SECRET_KEY}
"""The secret key of each app_id."""
SHOPS: Final[Mapping[str, str]] = {SHOP_ID: SUNMI_SHOP_NO}
"""The sunmi_shop_no of each shop_id."""

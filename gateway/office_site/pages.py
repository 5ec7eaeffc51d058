"""Every page of the head office."""

from typing import Final

from firmware_tools.language import message
from gateway.console.sign_in import choose_language, show_sign_in, sign_in, sign_out
from gateway.office_site import (
    access_pages,
    audit_pages,
    command_pages,
    desired_pages,
    enrol_pages,
    flow_pages,
    live_pages,
    overview,
    push_pages,
    reader_pages,
    rollout_pages,
    shop_page,
)
from gateway.office_site.site import OfficePage

PAGES: Final[tuple[OfficePage, ...]] = (
    *overview.PAGES,
    OfficePage("GET", "sign-in", show_sign_in, None),
    OfficePage("POST", "sign-in", sign_in, None),
    OfficePage("POST", "sign-out", sign_out, "view", does=message("Sign out")),
    OfficePage("GET", "language", choose_language, None, shows="data"),
    *live_pages.PAGES,
    *shop_page.PAGES,
    *command_pages.PAGES,
    *desired_pages.PAGES,
    *rollout_pages.PAGES,
    *push_pages.PAGES,
    *flow_pages.PAGES,
    *enrol_pages.PAGES,
    *access_pages.PAGES,
    *audit_pages.PAGES,
    *reader_pages.PAGES,
)
"""All of them. Fixed paths come before those with placeholders."""

"""The steps of a set-up, and why it waits or has failed, in words for the person who does it."""

from typing import Final

from firmware_tools.language import Message, message
from gateway.cameras.provisioning.job import Reason, StepName, StepState

STEP_TITLES: Final[dict[StepName, Message]] = {
    "reach": message("Find the camera"),
    "networks": message("See whether it sees the Wi-Fi"),
    "wifi": message("Tell it the Wi-Fi"),
    "rejoin": message("Wait until it is in the store's network"),
    "activate": message("Activate it for this account"),
    "verify": message("Check that it answers, and name it"),
}
STATE_TITLES: Final[dict[StepState, Message]] = {
    "pending": message("to do"),
    "running": message("under way"),
    "done": message("done"),
    "skipped": message("not needed"),
    "failed": message("failed"),
}
LED_HINTS: Final[dict[StepName, Message]] = {
    "reach": message(
        "While its LED blinks green, the camera offers its own Wi-Fi. It does so about 20 seconds after it was "
        "switched on, without a network cable. If it does not, hold RESET for 5 seconds."
    ),
    "rejoin": message(
        "The camera leaves its own Wi-Fi now, and its LED stops blinking green. Until it is in the store's network two "
        "or three minutes may pass. If it blinks green again, the password is most likely wrong."
    ),
    "activate": message("The camera asks the vendor's cloud over the internet. That takes a few seconds."),
}
"""What the camera does meanwhile, and what can be seen."""
ADVICE: Final[dict[Reason, Message]] = {
    "join_hotspot": message("Join the camera's own Wi-Fi with the gateway, then go on."),
    "return_to_lan": message("Go back to the store's network, then go on."),
    "interrupted": message("It was interrupted. Go on, or cancel it."),
    "not_reachable": message(
        "The camera does not answer. Is it switched on, and near enough to the Wi-Fi? Then try again."
    ),
    "malformed_response": message("What the camera says cannot be understood. Update its firmware, then try again."),
    "network_not_seen": message(
        "The camera does not see this Wi-Fi. It must be switched on, in reach, and on a channel that the camera knows; "
        "cameras often see 2.4 GHz only. Choose another network, or say that it hides its name."
    ),
    "wep_not_supported": message("This Wi-Fi uses the old WEP, which cameras do not support. Choose another network."),
    "wrong_wifi_password": message(
        "The password of the Wi-Fi, or the name of one that hides it, is most likely wrong. Type it once more."
    ),
    "wrong_activation_number": message(
        "The activation number is wrong for this camera. Compare it, and type it again."
    ),
    "wrong_serial_number": message("Another camera answers in its place. Compare the serial number on the label."),
    "app_id_rejected": message("The vendor's cloud does not know the account of this gateway. Look at the settings."),
    "no_internet": message("The camera does not reach the internet. Look at the store's router, then try again."),
    "no_credentials": message("The settings have no account for cameras: set app_id and secret key first."),
    "other_owner": message("The camera belongs to another account: its owner has to release it in the SUNMI app."),
    "activation_unknown": message(
        "The activation was sent, and nobody knows whether it worked. Look at the camera, then try again."
    ),
    "not_activated": message("A camera gets its name once it is activated. Type its activation number."),
    "certificate_changed": message(
        "The camera shows another certificate than expected. Compare it on the camera's page, then try again."
    ),
    "refused": message("The camera refused it. What it says is below."),
    "internal": message("The gateway made a mistake. Try again; its log says more."),
    "cancelled": message("It was cancelled. What the camera already took stays."),
}
"""What a person does about each reason."""

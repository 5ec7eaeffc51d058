"""The steps of the docking demonstration, as data: what each shows, what it needs, and what to do when it fails."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from firmware_tools.language import Message, message
from gateway.shop.steps import ADVICE, PlanReason

DemonstrationStepCode = Literal["shop", "network", "bind", "configure", "picture", "flow", "hook", "event"]
DEMONSTRATION_CODES: Final[tuple[DemonstrationStepCode, ...]] = get_args(DemonstrationStepCode)
OwnDemonstrationReason = Literal["no_shop", "other_shop", "no_door_line", "no_numbers", "no_cloud_hook"]
DemonstrationReason = PlanReason | OwnDemonstrationReason


class DemonstrationStep(NamedTuple):
    """A step as it is declared."""

    code: DemonstrationStepCode
    """Its name, for programs."""
    title: Message
    """Its name, for people."""
    chapter: str
    """The section of the vendor's documents that it shows."""
    purpose: Message
    """What is done, and how it is known to be right."""
    advice: Mapping[DemonstrationReason, Message]
    """What to do about each reason that is special to the step; `get_advice` has the others."""
    needs: tuple[DemonstrationStepCode, ...] = ()
    """The steps without which there is no point in trying it."""


_GO_ON: Final = message("See that the camera has power and is on this network, then go on.")
_CLOUD_AWAY: Final = message("See that this machine reaches the internet, then go on.")
_HOOKS: Final = message("Correct [hooks] in the settings: `sunmi-gateway doctor` says what is missing.")
_COUNTED: Final = message(
    "Wait until the cloud has counted a customer; the door line and the memory card are needed for that. Then go on."
)

DEMONSTRATION_STEPS: Final = (
    DemonstrationStep(
        "shop",
        message("Shop aligned"),
        "9.1",
        message("asks the cloud for the cameras of the shop that the settings name, and compares them with those here"),
        {
            "no_cloud": message("Run `sunmi-gateway init`: it asks for account and shop, and verifies them."),
            "no_shop": message(
                "Compare cloud.shop_id and cloud.environment with what the vendor has set up for this shop."
            ),
            "other_shop": message(
                "Compare the number of the shop with the vendor's: the cloud lists other cameras for it than are here."
            ),
        },
    ),
    DemonstrationStep(
        "network",
        message("Camera on the network"),
        "9.2",
        message("asks the camera who it is, by a signed call over the trusted connection"),
        {
            "not_reachable": message(
                "Look at its light: blue is right, steady green means that it does not reach the internet. See that it "
                "has power and is on this network, then go on."
            ),
            "no_wifi": message("Put it on the shop's Wi-Fi first: `sunmi-gateway cameras provision`."),
            "not_activated": message("Set it up first: `sunmi-gateway cameras provision`."),
            "other_owner": message("Let the camera's owner reset it, or take another camera."),
            "wrong_serial_number": message("Compare the serial number with the label: another camera answered."),
        },
    ),
    DemonstrationStep(
        "bind",
        message("Bound to the shop"),
        "9.3",
        message("binds the camera at the cloud if the shop does not list it yet, and looks whether it is listed then"),
        {
            "not_at_cloud": message("Bind the camera to the shop in the vendor's app, then go on."),
            "refused": message("Bind the camera to the shop in the vendor's app, then go on."),
            "wrong_value": message("Give it one name, in the plan and in the vendor's app, then go on."),
        },
        ("shop",),
    ),
    DemonstrationStep(
        "configure",
        message("Configured"),
        "9.4",
        message("sets name and lens as the site plan has them, and reads back the lens and the door line"),
        {
            "no_door_line": message(
                "Draw the door line in the vendor's app, or on the page of the camera's picture in the console."
            ),
            "wrong_value": message("Correct the value in the site plan, or look at the camera, then go on."),
            "refused": message("Read the camera's reason, correct the site plan, then go on."),
        },
        ("network",),
    ),
    DemonstrationStep(
        "picture",
        message("Live picture"),
        "9.5",
        message("takes a picture of the live stream"),
        {
            "no_picture": message(
                "Look at the live picture in the console; `sunmi-gateway doctor` says what is missing."
            ),
        },
        ("network",),
    ),
    DemonstrationStep(
        "flow",
        message("Customer flow"),
        "9.6",
        message("reads from the cloud how many customers came today"),
        {
            "no_numbers": _COUNTED,
            "refused": _COUNTED,
        },
        ("shop",),
    ),
    DemonstrationStep(
        "hook",
        message("Events subscribed"),
        "9.7.1",
        message("lets the camera, and the cloud where it has a way here, report faces to this gateway"),
        {
            "no_callback": _HOOKS,
            "no_cloud_hook": message(
                "The camera reports by itself, so events arrive. For the cloud's too, correct hooks.public_url."
            ),
        },
        ("network",),
    ),
    DemonstrationStep(
        "event",
        message("Face event received"),
        "9.7",
        message("waits until somebody has walked past the camera and the event has arrived"),
        {
            "no_event": message(
                "Walk past the camera, facing it, 1 to 3 metres away and in good light, then go on. If none comes, see "
                "that its memory card is ready and its door line is drawn, and run `sunmi-gateway doctor`."
            ),
            "other_shop": message("Compare the number of the shop in the settings with the one that the event names."),
        },
        ("hook",),
    ),
)
"""All steps, in their order."""

_GENERAL_ADVICE: Final[Mapping[DemonstrationReason, str]] = {
    **dict(ADVICE.items()),
    "not_reachable": _GO_ON,
    "malformed_response": message("Restart the camera, then go on."),
    "cloud_unreachable": _CLOUD_AWAY,
    "interrupted": message("Go on: it goes on where it was."),
    "cancelled": message("Go on: it goes on where it was."),
    "not_activated": message("Set it up first: `sunmi-gateway cameras provision`."),
    "other_owner": message("Let the camera's owner reset it, or take another camera."),
    "refused": message("Read the reason, correct what it names, then go on."),
    "no_shop": message("Compare cloud.shop_id and cloud.environment with what the vendor has set up for this shop."),
    "other_shop": message("Compare the number of the shop with the vendor's."),
    "no_door_line": message("Draw the door line in the vendor's app."),
    "no_numbers": message("Look again later."),
    "no_cloud_hook": _HOOKS,
}


def get_step(code: DemonstrationStepCode) -> DemonstrationStep:
    """Return the declaration of a step."""
    return DEMONSTRATION_STEPS[DEMONSTRATION_CODES.index(code)]


def get_advice(code: DemonstrationStepCode, reason: DemonstrationReason) -> str:
    """Return what to do when a step is a warning or has failed for a reason."""
    return get_step(code).advice.get(reason) or _GENERAL_ADVICE[reason]

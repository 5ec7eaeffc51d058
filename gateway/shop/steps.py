"""The steps of a run for each camera, as data: what each does, when it is right already, and how it is verified."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from firmware_tools.language import message
from gateway.cameras.provisioning.job import Reason

PlanStepName = Literal["find", "wifi", "activate", "name", "settings", "cloud", "subscribe", "picture", "event"]
PlanStepState = Literal["pending", "running", "waiting", "done", "skipped", "warning", "failed"]
OwnReason = Literal[
    "no_activation_number",
    "not_confirmed",
    "no_wifi",
    "no_cloud",
    "cloud_unreachable",
    "not_at_cloud",
    "no_callback",
    "no_picture",
    "no_event",
    "wrong_value",
]
PlanReason = Reason | OwnReason


class PlanStep(NamedTuple):
    """A step as it is declared."""

    name: PlanStepName
    """Its name, for programs."""
    purpose: str
    """What it does."""
    right_when: str
    """When nothing has to be done."""
    verified_by: str
    """How it is known to be right afterwards."""


PLAN_STEPS: Final = (
    PlanStep(
        "find",
        message("finds the camera, manages and trusts it"),
        message("it is managed and answers"),
        message("it answers at its address with the trusted certificate"),
    ),
    PlanStep(
        "wifi",
        message("puts a camera in hotspot mode on the shop's Wi-Fi"),
        message("it is on the network"),
        message("it is found on the network by its serial number"),
    ),
    PlanStep(
        "activate",
        message("activates it for this account, which erases its face groups"),
        message("it is activated by this account"),
        message("it answers a signed call"),
    ),
    PlanStep("name", message("gives it its name"), message("it has the name"), message("it says its name")),
    PlanStep(
        "settings",
        message("sets lens and detection"),
        message("all values are as planned"),
        message("it says its values"),
    ),
    PlanStep(
        "cloud",
        message("binds it to the shop at the cloud and names it there"),
        message("the cloud lists it with the name"),
        message("the cloud lists it with the name"),
    ),
    PlanStep(
        "subscribe",
        message("lets it report events to this gateway"),
        message("it is subscribed"),
        message("it has accepted the callback URL"),
    ),
    PlanStep("picture", message("takes a picture"), message("never"), message("the picture is a readable JPEG")),
    PlanStep(
        "event",
        message("waits for an event of it"),
        message("an event has come since the run began"),
        message("an event has come"),
    ),
)
"""All steps, in their order."""

PLAN_STEP_NAMES: Final[tuple[PlanStepName, ...]] = get_args(PlanStepName)

ADVICE: Final[Mapping[PlanReason, str]] = {
    "join_hotspot": message("Join the camera's own Wi-Fi network; the gateway goes on by itself."),
    "return_to_lan": message("Go back to the shop's network; the gateway goes on by itself."),
    "interrupted": message("Run the plan again; it goes on where it was."),
    "not_reachable": message("See that the camera has power and is on this network, then run the failed ones again."),
    "malformed_response": message("Restart the camera, then run the failed ones again."),
    "network_not_seen": message("See that the Wi-Fi reaches the camera and that its name is right (2.4 GHz)."),
    "wep_not_supported": message("Set the access point to WPA2; cameras do not support WEP."),
    "wrong_wifi_password": message("Correct the Wi-Fi password in the plan, then run the failed ones again."),
    "wrong_activation_number": message("Compare the activation number with the vendor's list, and correct the plan."),
    "wrong_serial_number": message("Compare the serial number with the label: another camera answered."),
    "app_id_rejected": message("Correct cameras.app_id in the settings, or let the vendor enable it for cameras."),
    "no_internet": message("Give the camera's network a way to the internet, then run the failed ones again."),
    "no_credentials": message("Set cloud.app_id and the secret key in the settings."),
    "other_owner": message("Let the camera's owner reset it, or take it out of the plan."),
    "activation_unknown": message("Look whether the camera is activated, then run the failed ones again."),
    "not_activated": message("Give the camera's activation number in the plan."),
    "certificate_changed": message(
        "Find out why its certificate differs, then trust it: `sunmi-gateway cameras trust`."
    ),
    "refused": message("Read the camera's reason and correct the plan."),
    "internal": message("Look at the gateway's log, and report the fault."),
    "cancelled": message("Run the plan again; it goes on where it was."),
    "no_activation_number": message("Give the camera's activation number in the plan."),
    "not_confirmed": message("Run the plan again: it asks now whether this camera may lose its face groups."),
    "no_wifi": message("Name the Wi-Fi network in the plan, or connect the camera by cable."),
    "no_cloud": message("Set [cloud] in the settings, then run the failed ones again."),
    "cloud_unreachable": message("See that this machine reaches the internet, then run the failed ones again."),
    "not_at_cloud": message("Bind the camera in the vendor's app, then run the failed ones again."),
    "no_callback": message("Correct [hooks] in the settings: `sunmi-gateway doctor` says what is missing."),
    "no_picture": message("Look at the live picture in the console; `sunmi-gateway doctor` says what is missing."),
    "no_event": message("Walk past the camera, then look whether its events arrive."),
    "wrong_value": message("Set the value that the camera has in the plan, or look at the camera."),
}
"""What to do about each reason."""

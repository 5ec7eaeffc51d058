"""Responses about the site plan of the shop."""

from typing import Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.cameras import ProvisioningReason
from gateway.api.models.document import Address, Document, SerialNumber, Time
from gateway.shop import door_line, pictures, progress, run_record, steps, verification

PlanStepName = TypeAliasType("PlanStepName", steps.PlanStepName)
PlannedCameraState = TypeAliasType("PlannedCameraState", progress.PlannedCameraState)
PlanReason = TypeAliasType("PlanReason", steps.OwnReason)
PlanRunState = TypeAliasType("PlanRunState", run_record.RunState)


class PlanStepDocument(Document):
    """One step of a camera in the plan."""

    name: PlanStepName = Field(description=" ".join(f"`{one.name}` {one.purpose}." for one in steps.PLAN_STEPS))
    state: steps.PlanStepState = Field(
        description="`waiting` until a person has done what `detail` asks for; `skipped` where nothing is planned; "
        "`warning` where it is done and a person should look at it."
    )
    reason: ProvisioningReason | PlanReason | None = Field(
        description="Why it waits, is a warning or has failed, for programs; null otherwise."
    )
    detail: str = Field(description="What came of it, for people; empty if there is nothing yet.")
    advice: str = Field(description="What to do about `reason`, for people; empty without one.")
    changed: bool = Field(description="Whether something was changed; false if it was right already.")


class PlannedCameraDocument(Document):
    """One camera of the plan, and how far it is."""

    row: int = Field(description="Where the list has it: the line, or the number in the JSON list, from 1.")
    sn: SerialNumber | None = Field(description="The serial number; null as long as only the MAC address is known.")
    mac: str | None = Field(description="The MAC address of the plan; null if it names none.")
    name: str | None = Field(description="The name that it shall have; null leaves its name alone.")
    place: str = Field(description="Where it hangs; empty if the plan does not say.")
    settings: dict[str, int] = Field(description="The settings that it shall have, those of the whole list among them.")
    activation_number: Literal["********"] | None = Field(
        description="Redacted; null if the plan has none, or once the camera is done."
    )
    address: Address | None = Field(description="Where it is now; null if that is not known.")
    firmware: str | None = Field(description="The version of its firmware; null if it has not said it.")
    needs_card: bool = Field(
        description="Whether another camera of its model in the plan has newer firmware: a card brings it."
    )
    state: PlannedCameraState = Field(description="How far it is as a whole.")
    steps: list[PlanStepDocument] = Field(description="Its steps, in their order.")


class PlannedWifiDocument(Document):
    """The Wi-Fi network of the plan."""

    ssid: str = Field(description="Its name.", examples=["Shop"])
    hidden: bool = Field(description="Whether it hides its name.")
    password: Literal["********"] | None = Field(
        description="Redacted; null for an open network, and once all cameras are done."
    )


class PlanCountsDocument(Document):
    """How many cameras of the plan are in each state."""

    pending: int = Field(description="Not begun.")
    running: int = Field(description="Being worked on.")
    waiting: int = Field(description="Waiting for a person.")
    done: int = Field(description="Done.")
    failed: int = Field(description="Failed.")


class PlanNoteDocument(Document):
    """Something to know about a camera before the plan runs."""

    camera: str = Field(description="The serial number, or else the MAC address.")
    text: str = Field(description="What it is, for people.")


class PlanFirmwareDocument(Document):
    """Cameras of the plan of one model with the same firmware."""

    model: str | None = Field(description="The model; null if they have not said it.", examples=["FM020"])
    version: str = Field(description="The version.", examples=["1.2.6"])
    cameras: int = Field(description="How many cameras they are.")
    needs_card: bool = Field(description="Whether another camera of the model in the plan has newer firmware.")


class SitePlanDocument(Document):
    """The site plan, and how far it is. It never holds a secret."""

    state: PlanRunState = Field(
        description="`ready` before the first run; `stopped` if a person ended it; `failed` if a camera is not done."
    )
    began_at: Time | None = Field(description="When the run began; null before the first.")
    ended_at: Time | None = Field(description="When it ended; null before that.")
    wifi: PlannedWifiDocument | None = Field(description="The Wi-Fi network; null if none is named.")
    erases: int = Field(
        description="How many cameras a run may activate, which erases their face groups: `confirm_erase` of a run."
    )
    counts: PlanCountsDocument = Field(description="How many cameras are in each state.")
    ignored: list[str] = Field(description="Columns and lines of the list that were not used, for people.")
    notes: list[PlanNoteDocument] = Field(description="What to know before the plan runs.")
    firmware: list[PlanFirmwareDocument] = Field(description="The firmware of the cameras that have said theirs.")
    cameras: list[PlannedCameraDocument] = Field(description="The cameras, in the order of the list.")


class PlannedActionDocument(Document):
    """What a run would do in one step."""

    step: PlanStepName = Field(description="The step.")
    text: str = Field(description="What it would do, for people.")


class DryRunCameraDocument(Document):
    """What a run would do to one camera."""

    sn: SerialNumber | None = Field(description="The serial number; null if only the MAC address is known.")
    mac: str | None = Field(description="The MAC address of the plan; null if it names none.")
    actions: list[PlannedActionDocument] = Field(description="What would be done, in order.")


class HotspotSupportDocument(Document):
    """Whether the gateway can join the hotspots of new cameras, and what that means for whom."""

    available: bool = Field(description="Whether it can. If not, a person has to join them.")
    interrupts_shop: bool = Field(
        description="Whether this machine leaves the shop's network meanwhile: `confirm_offline` has to say whether it "
        "may."
    )
    detail: str = Field(description="What will happen to whom, or why it cannot, for people.")


class SitePlanDryRunDocument(Document):
    """What a run would do."""

    erases: int = Field(description="How many cameras it may activate, which erases their face groups.")
    hotspots: HotspotSupportDocument | None = Field(
        description="Whether hotspots can be joined; null if no camera needs that."
    )
    cameras: list[DryRunCameraDocument] = Field(description="The cameras that it would work on.")


class SheetShopDocument(Document):
    """The shop of a sheet, as the settings name it."""

    shop_id: str | None = Field(description="The vendor's number of the shop; null if the settings have none.")
    sunmi_shop_no: str | None = Field(description="Its other number; null if the settings have none.")


class SheetGatewayDocument(Document):
    """The gateway that made a sheet."""

    host: str = Field(description="Its host name.", examples=["sunmi-gateway-4a1b.local"])
    version: str = Field(description="Its version.")


class SheetDoorLineDocument(Document):
    """The line at which a face camera counts visitors."""

    state: door_line.DoorLineState = Field(description="`unknown` if the camera could not be asked.")
    detail: str = Field(description="Why there is none, for people; empty otherwise.")
    width: int | None = Field(description="The width of the picture that the coordinates refer to; null without one.")
    height: int | None = Field(description="The height of that picture.")
    start_x: int | None = Field(description="The left end, in pixels from the left.")
    start_y: int | None = Field(description="The left end, from the top.")
    end_x: int | None = Field(description="The right end, from the left.")
    end_y: int | None = Field(description="The right end, from the top.")


class SheetPictureDocument(Document):
    """A picture of a camera."""

    moment: pictures.Moment = Field(description="Before or after the plan changed the lens, or at the last look.")
    path: str = Field(description="Where it is, for who may see media.")


class SheetChangeDocument(Document):
    """Something that is different from what came of the run."""

    step: PlanStepName = Field(description="The step whose result it is about.")
    is_right: bool = Field(
        description="Whether it is right now, and was not; else the other way round. True for a fact."
    )
    detail: str = Field(description="How it is now, for people.")
    fact: verification.FactName | None = Field(
        description="What the camera was known by when the run had done with it; null for the result of a step."
    )
    was: str | None = Field(description="The fact as it was then; null for the result of a step.")
    now: str | None = Field(description="The fact as it is now.")


class SheetCameraDocument(Document):
    """One camera of the sheet."""

    row: int = Field(description="Where the list has it.")
    name: str | None = Field(description="Its name; null if it has none.")
    place: str = Field(description="Where it hangs; empty if the plan does not say.")
    sn: SerialNumber | None = Field(description="The serial number; null as long as only the MAC address is known.")
    mac: str | None = Field(description="The MAC address; null if it is not known.")
    model: str | None = Field(description="The model; null if it is not known.")
    firmware: str | None = Field(description="The version of its firmware; null if it has not said it.")
    needs_card: bool = Field(description="Whether another camera of its model in the plan has newer firmware.")
    address: Address | None = Field(description="Where it is now; null if that is not known.")
    certificate_sha256: str | None = Field(description="Its pin: the SHA-256 of its trusted certificate.")
    state: PlannedCameraState = Field(description="How far it is as a whole.")
    steps: list[PlanStepDocument] = Field(description="What came of each step.")
    door_line: SheetDoorLineDocument | None = Field(description="Null for a camera that counts no visitors.")
    pictures: list[SheetPictureDocument] = Field(description="Its pictures, as far as there are any.")
    to_do: list[str] = Field(description="What is left to do, for people.")
    changes: list[SheetChangeDocument] | None = Field(
        description="What has changed since the run; null if it was not looked at again."
    )


class SitePlanSheetDocument(Document):
    """The acceptance sheet of the shop. It never holds a secret."""

    made_at: Time = Field(description="When it was made.")
    verified: bool = Field(description="Whether everything was looked at again.")
    shop: SheetShopDocument = Field(description="The shop.")
    gateway: SheetGatewayDocument = Field(description="The gateway that made it.")
    state: PlanRunState = Field(description="The state of the run.")
    began_at: Time | None = Field(description="When the run began; null before the first.")
    ended_at: Time | None = Field(description="When it ended; null before that.")
    counts: PlanCountsDocument = Field(description="How many cameras are in each state.")
    firmware: list[PlanFirmwareDocument] = Field(description="The firmware of the cameras that have said theirs.")
    cameras: list[SheetCameraDocument] = Field(description="The cameras, in the order of the list.")

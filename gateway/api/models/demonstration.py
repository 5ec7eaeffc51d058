"""Responses about the docking demonstration."""

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.cameras import ProvisioningReason
from gateway.api.models.document import Document, SerialNumber, Time
from gateway.api.models.site_plan import PlanReason, SheetShopDocument
from gateway.shop.demonstration import record, steps

DemonstrationStepCode = TypeAliasType("DemonstrationStepCode", steps.DemonstrationStepCode)


class DemonstrationEvidenceDocument(Document):
    """Something that shows that a step is right."""

    name: record.EvidenceName = Field(description="What it is, for programs.")
    label: str = Field(description="What it is, for people.", examples=["Customers today"])
    value: str = Field(description="What was seen, for people.", examples=["128"])


class DeclaredDemonstrationStepDocument(Document):
    """A step of the demonstration as it is declared."""

    code: DemonstrationStepCode = Field(description="Its name, for programs.")
    title: str = Field(description="Its name, for people.", examples=["Camera on the network"])
    chapter: str = Field(description="The section of the vendor's documents that it shows.", examples=["9.2"])
    purpose: str = Field(description="What is done, and how it is known to be right, for people.")


class DemonstrationStepDocument(DeclaredDemonstrationStepDocument):
    """A step of the demonstration, and what came of it."""

    state: record.DemonstrationStepState = Field(
        description="`waiting` until a person has done what `detail` asks for; `warning` where it is ticked off and a "
        "person should look at it; `pending` where it was not tried."
    )
    detail: str = Field(description="What came of it, for people; empty if there is nothing yet.")
    evidence: list[DemonstrationEvidenceDocument] = Field(description="What shows it.")
    reason: ProvisioningReason | PlanReason | steps.OwnDemonstrationReason | None = Field(
        description="Why it is a warning or has failed, for programs; null otherwise."
    )
    advice: str = Field(description="What to do about `reason`, for people; empty without one.")
    ended_at: Time | None = Field(description="When it ended; null before that.")


class DemonstrationDocument(Document):
    """The last docking demonstration, and how far it is. It holds no secret, and nothing about persons."""

    sn: SerialNumber = Field(description="The camera that is shown.")
    state: record.DemonstrationState = Field(
        description="`stopped` if a person ended it, `interrupted` if the gateway ended meanwhile; `failed` if a step "
        "is not ticked off. With `resume` it goes on."
    )
    shop: SheetShopDocument = Field(description="The shop.")
    host: str = Field(description="The host name of the gateway.", examples=["sunmi-gateway-4a1b.local"])
    began_at: Time = Field(description="When it began.")
    ended_at: Time | None = Field(description="When it ended; null before that.")
    ticked: int = Field(description="How many steps are ticked off.", examples=[8])
    picture: str | None = Field(description="Where the picture is, for who may see media; null without one.")
    steps: list[DemonstrationStepDocument] = Field(description="The steps, in the order of the chapter.")


class DemonstrationDryRunDocument(Document):
    """What a demonstration would do."""

    sn: SerialNumber = Field(description="The camera that would be shown.")
    event_wait_s: float = Field(description="For how many seconds an event would be waited for.", examples=[60])
    steps: list[DeclaredDemonstrationStepDocument] = Field(description="The steps, in the order of the chapter.")

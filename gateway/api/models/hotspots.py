"""Responses about the hotspots of new cameras."""

from pydantic import Field

from gateway.api.models.document import Document


class HotspotAvailabilityDocument(Document):
    """Whether the gateway can join the hotspots of new cameras, and what that means for whom."""

    available: bool = Field(description="Whether it can search for hotspots, join one and come back.")
    reason: str = Field(description="Why it cannot, and what to do about it; empty if it can.")
    interface: str = Field(description="The Wi-Fi interface that it uses; empty if it cannot.", examples=["wlan0"])
    network: str = Field(
        description="The network that this interface leaves meanwhile, and comes back to; empty if it is in none.",
        examples=["Shop"],
    )
    other_interfaces: list[str] = Field(
        description="The interfaces that keep the gateway in the shop's network meanwhile.", examples=[["eth0"]]
    )
    effect: str = Field(description="What will happen to whom, in one sentence for people; empty if it cannot.")
    interrupts_shop: bool = Field(
        description="Whether the gateway leaves the shop's network meanwhile: a person has to agree to that."
    )

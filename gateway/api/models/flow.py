"""Responses about customer flow."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.api.models.document import Day, Document, Time
from gateway.api.models.problems import ProblemCode

ShopTime = Annotated[str, Field(examples=["2026-11-21 09:00"])]
"""A time of the shop: `2026-11-21 09:00`, `2026-11-21` or `2026-11`."""


class CustomerKindsDocument(Document):
    """Customers by kind. What the cloud does not count is null."""

    new: int | None = Field(description="Customers who were not seen before.", examples=[31])
    repeat: int | None = Field(description="Customers who came before.", examples=[12])
    members: int | None = Field(description="Members.", examples=[4])


class CustomerCountsDocument(CustomerKindsDocument):
    """How many customers came. What the cloud does not count is null."""

    total: int | None = Field(description="All customers.", examples=[50])
    face_not_seen: int | None = Field(description="Customers whose face was not seen.", examples=[3])


class TrendStepDocument(CustomerCountsDocument):
    """One step of a trend."""

    time: ShopTime = Field(
        description="When it begins, in the shop's time: `2026-11-21 09:00`, `2026-11-21` or `2026-11`."
    )


class GenderCountsDocument(Document):
    """Customers of one gender. What the cloud does not count is null."""

    total: int | None = Field(description="All of them.", examples=[20])
    repeat: int | None = Field(description="Those who came before.", examples=[6])
    members: int | None = Field(description="The members.", examples=[2])


class AgeGroupDocument(CustomerKindsDocument):
    """Customers of one age range."""

    age_range: int = Field(description="The vendor's number of the age range.", examples=[4])
    age: str | None = Field(
        description="The age range in words; null if the vendor does not say.", examples=["19 to 28 years"]
    )
    men: GenderCountsDocument | None = Field(description="The men; null if they are not counted apart.")
    women: GenderCountsDocument | None = Field(description="The women; null if they are not counted apart.")


class UnavailableEndpointDocument(Document):
    """An endpoint of the vendor that gave no numbers now."""

    endpoint: str = Field(description="Its path.", examples=["passengerFlow/stat/today/groupByTag"])
    code: ProblemCode | Literal["range_too_long"] = Field(
        description="Why, as the `code` of a problem; `range_too_long` where the vendor does not count so many days "
        "together."
    )
    detail: str = Field(description="Why, for people.")


class FlowDocument(CustomerCountsDocument):
    """What the customer flow of today and of past days have in common."""

    shop_id: str | None = Field(
        description="The vendor's id of the shop; null if it goes by the other one.", examples=["10096"]
    )
    sunmi_shop_no: str | None = Field(description="The vendor's number of the shop; null if it goes by the other one.")
    hours: list[TrendStepDocument] | None = Field(description="The customers hour by hour; null if they are not known.")
    ages: list[AgeGroupDocument] | None = Field(description="The customers by age; null if they are not known.")
    unavailable: list[UnavailableEndpointDocument] = Field(
        description="The vendor's endpoints that gave nothing now. What the others gave is there all the same."
    )


class FlowTodayDocument(FlowDocument):
    """The customer flow of the present day of one shop."""

    date: Day | None = Field(description="The day; null if it is not known.")
    source: Literal["cloud", "cache"] = Field(
        description="Whether the numbers were fetched for this response, or cached."
    )
    age_s: float = Field(description="How many seconds ago the numbers were fetched.", examples=[3.2])
    fetched_at: Time = Field(description="When the numbers were fetched.")


class FlowHistoryDocument(FlowDocument):
    """The customer flow of past days of one shop."""

    first: Day = Field(alias="from", description="The first day.")
    last: Day = Field(alias="to", description="The last day.")
    source: Literal["cloud", "cache", "mixed"] = Field(
        description="Whether the numbers were fetched for this response, cached, or some of both."
    )
    age_s: float | None = Field(
        description="How many seconds ago the oldest of the numbers were fetched; null if there are none.",
        examples=[3.2],
    )
    fetched_at: Time | None = Field(description="When the oldest of the numbers were fetched; null if there are none.")
    final: bool = Field(
        description="Whether no number can change any more. The gateway does not fetch final ones again."
    )
    days: list[TrendStepDocument] | None = Field(description="A row for each day; null if they are not known.")
    weeks: list[TrendStepDocument] | None = Field(
        description="A row for each week; null for less than a week, and where the vendor does not offer it."
    )
    months: list[TrendStepDocument] | None = Field(
        description="A row for each month; null for less than four weeks, and where the vendor does not offer it."
    )

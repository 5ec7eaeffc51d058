"""Settings of the shop's shelf labels."""

from pydantic import BaseModel, ConfigDict, Field


class LabelSettings(BaseModel):
    """How labels are drawn and pushed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    font: str = ""
    pushes_at_once: int = Field(default=20, ge=1, le=1000)
    confirm_within_s: float = Field(default=300, ge=1, le=86400)

"""What the models of responses have in common."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-21T14:03:07Z"])]
"""A time in UTC with a `Z` at its end."""
Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-11-21"])]
"""A day, YYYY-MM-DD."""
Fingerprint = Annotated[str, Field(pattern="^[0-9a-f]{64}$", examples=["0b" * 32])]
"""A SHA-256 in hex, without colons."""
Address = Annotated[str, Field(examples=["192.168.1.51:443"])]
"""`host:port`."""
SerialNumber = Annotated[str, Field(examples=["FM020A2300001"])]
"""The serial number of a camera."""


class Document(BaseModel):
    """The JSON of a response. Its schema is named as the class, without `Document`.

    No response is made of these models: they cost time and memory, and are loaded only for the OpenAPI document. The
    tests check each response against that.
    """

    model_config = ConfigDict(populate_by_name=True)

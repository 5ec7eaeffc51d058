"""What commands return that are no call of the REST API. What the others return stands in `gateway/api/models`."""

import base64
import hashlib
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from firmware_tools.language import message

FileContent: Final = "the content of a file, in base64"
"""Marks the field of a result with what a person wants to have as a file."""


class SupportBundleResult(BaseModel):
    """What `support_bundle` returns."""

    model_config = ConfigDict(frozen=True)

    file: str = Field(description="The name of the file.")
    sha256: str = Field(description="Its SHA-256, in hexadecimal digits.")
    base64: Annotated[str, FileContent] = Field(description="What it holds, in base64.")

    def decode(self) -> bytes:
        """Return what the file holds. Raises `ValueError`."""
        content = base64.b64decode(self.base64, validate=True)
        if hashlib.sha256(content).hexdigest() != self.sha256:
            raise ValueError(message("the file is damaged: its SHA-256 is another one"))
        return content


class TokenRevokeResult(BaseModel):
    """What `token_revoke` returns."""

    model_config = ConfigDict(frozen=True)

    revoked: str = Field(description="The name of the token.")


class UpdateResult(BaseModel):
    """What `update` returns."""

    model_config = ConfigDict(frozen=True)

    runs: str = Field(description="The version that runs.")
    wanted: str = Field(description="The version that is wanted.")
    outcome: Literal["applied", "pending"] = Field(description="`applied`: it runs; `pending`: it has begun.")
    reason: str = Field(description="Why it is pending; empty if it runs.")

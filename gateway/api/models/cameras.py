"""Responses about cameras: what is known of them, scans, Wi-Fi and provisioning."""

from typing import Any, Literal

from pydantic import Field
from typing_extensions import TypeAliasType

from gateway.api.models.document import Address, Document, Fingerprint, SerialNumber, Time
from gateway.cameras import record
from gateway.cameras.provisioning import job
from gateway.discovery import device
from gateway.protocol import endpoint

Activation = TypeAliasType("Activation", record.Activation)
FoundBy = TypeAliasType("FoundBy", device.FoundBy)
CallAuthorisation = TypeAliasType("CallAuthorisation", endpoint.Auth)
FrameRecipient = TypeAliasType("FrameRecipient", Literal["host", "everyone"])
StepName = TypeAliasType("StepName", job.StepName)
ProvisioningReason = TypeAliasType("ProvisioningReason", job.Reason)


class CameraAddressDocument(Document):
    """One address of a camera."""

    address: Address = Field(description="`host:port` of its HTTPS service.")
    interface: str | None = Field(
        description="The gateway's network interface that leads there; null if unknown.", examples=["eth0"]
    )
    found_by: FoundBy = Field(
        description="What saw it there last: a method of discovery, or `address` where the settings or a person named "
        "it."
    )
    last_seen: Time | None = Field(
        description="When it was last seen or reached there; null if not since the gateway started."
    )


class CameraDocument(Document):
    """A camera that was found, or that the gateway manages."""

    sn: SerialNumber = Field(description="The serial number, which is the camera's identity.")
    managed: bool = Field(description="Whether a person said that this gateway manages it. Only then it can be called.")
    address: Address | None = Field(description="The address that is tried first, `host:port`; null if none is known.")
    addresses: list[CameraAddressDocument] = Field(
        description="All its addresses, the one that is tried first in front."
    )
    mac: str | None = Field(description="The MAC address; null if unknown.", examples=["0c:25:76:00:00:01"])
    model: str | None = Field(description="FM010 or FM020; null if unknown.", examples=["FM020"])
    name: str = Field(description="The name that a person gave it; empty if none.", examples=["Entrance"])
    software_version: str | None = Field(
        description="The version of its firmware; null if unknown.", examples=["1.2.6"]
    )
    online: bool | None = Field(
        description="Whether it was seen or reached lately; null until the gateway has looked for it once since it "
        "started."
    )
    activation: Activation = Field(
        description="Whether it is activated by this gateway's account: `other_owner` if by another one, `unknown` as "
        "long "
        "as there is no proof."
    )
    certificate_sha256: Fingerprint | None = Field(
        description="The pin: the SHA-256 of the certificate that the gateway trusts; null if there is none yet."
    )
    last_seen: Time | None = Field(
        description="When it was last seen or reached; null if not since the gateway started."
    )


class CameraListDocument(Document):
    """All cameras, found and managed."""

    cameras: list[CameraDocument] = Field(description="The cameras.")


class UnidentifiedHostDocument(Document):
    """A host that looks like a camera and does not say which one it is."""

    address: Address = Field(description="`host:port`.")
    interface: str = Field(
        description="The network interface that leads there; empty if a router does.", examples=["eth0"]
    )
    found_by: FoundBy = Field(description="The method that found it.")
    certificate_sha256: Fingerprint | None = Field(
        description="The SHA-256 of its certificate; null if it showed none."
    )


class DiscoveryMethodDocument(Document):
    """What one method of a scan found."""

    found: int = Field(description="How many cameras it found.", examples=[3])
    error: str | None = Field(description="What kept it from finding every camera; null if nothing did.")


class DiscoveryResultDocument(Document):
    """What a scan found."""

    cameras: list[CameraDocument] = Field(description="The cameras that this scan has found.")
    unidentified: list[UnidentifiedHostDocument] = Field(
        description="Hosts that look like cameras but did not announce themselves."
    )
    methods: dict[str, DiscoveryMethodDocument] = Field(
        description="What came of each method that was used: `broadcast`, `mdns`, `sweep`, and `address` for the "
        "addresses in the settings."
    )


class AccessPointDocument(Document):
    """A Wi-Fi network as a camera sees it."""

    ssid: str = Field(description="The network's name.", examples=["Shop"])
    key_mgmt: str = Field(
        description="How it is secured, in the camera's words: `NONE`, `WPA-PSK`, …", examples=["WPA-PSK"]
    )


class AccessPointListDocument(Document):
    """The Wi-Fi networks that a camera sees."""

    access_points: list[AccessPointDocument] = Field(description="The networks, each once.")
    left_out: int = Field(description="How many entries of the camera's list could not be read.", examples=[0])


class WifiChangeDocument(Document):
    """What became of the request to join a Wi-Fi network."""

    ssid: str = Field(description="The network that the camera was told to join.", examples=["Shop"])
    answered: bool = Field(description="Whether the camera answered before the connection dropped.")
    detail: str | None = Field(default=None, description="What that means, for people; only where it did not answer.")


class ProvisioningStepDocument(Document):
    """One step of a provisioning job."""

    name: StepName = Field(
        description="`reach` the camera, list the `networks` that it sees, tell it the `wifi`, wait until it has moved "
        "there (`rejoin`), `activate` it, and `verify` that."
    )
    state: job.StepState = Field(description="How far it is.")
    detail: str = Field(description="The outcome, for people; empty if there is none yet.")


class ProvisioningJobDocument(Document):
    """The job that puts a camera to work. It never holds a secret."""

    sn: SerialNumber = Field(description="The camera's serial number.")
    state: job.JobState = Field(
        description="`waiting` until a person has done what `detail` asks for; `done`, `failed` and `cancelled` are "
        "final."
    )
    step: StepName = Field(description="The present step, or the last one.")
    steps: list[ProvisioningStepDocument] = Field(description="All steps, in their order.")
    reason: ProvisioningReason | None = Field(description="Why it waits or has failed, for programs; null otherwise.")
    detail: str = Field(description="The same for people, with what to do; empty if there is nothing to say.")


class TlsDocument(Document):
    """The TLS of a captured camera."""

    version: str | None = Field(description="The version of TLS; null without a connection.", examples=["TLSv1.2"])
    certificate_sha256: str = Field(description="The SHA-256 of its certificate.", examples=["0b" * 32])


class CapturedReadDocument(Document):
    """One call that only reads, and what the camera responded."""

    path: str = Field(description="The endpoint, TYPE/ACTION.", examples=["config/getName"])
    auth: CallAuthorisation = Field(description="How the call was authorised.")
    status: int | None = Field(default=None, description="The HTTP status; only with a response.", examples=[200])
    date: bool | None = Field(default=None, description="Whether the response had a `Date`.")
    keep_alive: bool | None = Field(default=None, description="Whether the camera kept the connection.")
    kept_connection: bool | None = Field(
        default=None, description="Whether the call used the connection of the one before; not for the first call."
    )
    answer: Any = Field(default=None, description="The response, redacted; null if it is no JSON object.")
    problem: str | None = Field(default=None, description="The code of the failure that left no response.")
    raw: str | None = Field(default=None, description="What was received, redacted, in hex; only if it is no JSON.")


class CapturedFrameDocument(Document):
    """One discovery frame that the camera sent."""

    asked: FrameRecipient = Field(description="To whom the request had gone.")
    answered: FrameRecipient | None = Field(description="To whom the camera sent it; null if the system does not tell.")
    source_port: int = Field(description="The port from which it came.", examples=[17788])
    version: int | None = Field(default=None, description="The version in the frame's header.")
    type: int | None = Field(default=None, description="The type in the frame's header.")
    length: int | None = Field(default=None, description="The length of the payload, in bytes.")
    payload: dict[str, Any] | None = Field(default=None, description="The payload, redacted.")
    frame: str | None = Field(default=None, description="The frame with the redacted payload, in hex.")
    bytes: int | None = Field(default=None, description="The size of a malformed frame, in bytes.")
    header: str | None = Field(default=None, description="The header of a malformed frame, in hex.")
    problem: str | None = Field(default=None, description="Why it is malformed.")


class CaptureDocument(Document):
    """What a camera responds to all calls that read, and its discovery frames, without secrets or identities."""

    format: int = Field(description="The version of this format.", examples=[1])
    gateway: str = Field(description="The version of the gateway.", examples=["0.1.0"])
    sn: str = Field(description="The serial number, redacted.")
    model: str = Field(description="The model; empty if unknown.", examples=["FM020"])
    software_version: str = Field(description="The version of the firmware; empty if unknown.", examples=["1.2.6"])
    activation: Activation = Field(description="The activation state as the gateway knows it.")
    tls: TlsDocument = Field(description="The TLS of the camera.")
    reads: list[CapturedReadDocument] = Field(description="Each call that only reads.")
    frames: list[CapturedFrameDocument] = Field(description="The discovery frames that the camera sent.")

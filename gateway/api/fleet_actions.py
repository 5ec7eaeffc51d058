"""What the commands of the head office do: the same as the calls of the REST API, by the same functions.

`gateway/fleet` checks commands and remembers them; it knows nothing of what they do. What a command needs is imported
when the first one comes, since most shops never get one.
"""

import base64
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, Literal

from firmware_tools.language import message
from gateway import __version__
from gateway.app import Gateway
from gateway.errors import Conflict, StateError
from gateway.fleet import commands
from gateway.fleet.command_results import SupportBundleResult, TokenRevokeResult, UpdateResult
from gateway.fleet.documents import ReportedFinding
from gateway.protocol import json_text
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.redaction import Redactor

MAX_BUNDLE_BYTES: Final = 450 * 1024
"""The largest support bundle that a response holds. Its log is cut to 1 MB, before it is packed."""


class FleetActions:
    """Does what the commands say."""

    def __init__(self, gateway: Gateway) -> None:
        """Take the gateway that they are given to."""
        self._gateway = gateway
        self._redactor = Redactor(gateway.settings.secrets)

    async def act(self, arguments: commands.CommandArguments) -> dict[str, Any]:
        """Do what a command says, and return its result as JSON, without secrets. Raises `GatewayError`."""
        if isinstance(arguments, commands.SupportBundleArguments):
            return await self._pack_support_bundle()  # its files are redacted, and it is no text
        result: dict[str, Any] = self._redactor.redact_document(await self._act(arguments))
        return result

    async def find_out(self) -> Sequence[ReportedFinding]:
        """Return what those checks of the doctor do not find good that may be made at any time."""
        from gateway.doctor.check import CheckContext, run_checks
        from gateway.doctor.checks import CHECKS

        cheap = [check for check in CHECKS if check.is_cheap]
        findings = await run_checks(CheckContext(self._gateway.settings, self._gateway), cheap)
        return [
            ReportedFinding(check=one.check, status=one.status, text=one.what, advice=one.what_to_do)
            for one in findings
            if one.status in ("warning", "failed")
        ]

    async def _act(self, arguments: commands.CommandArguments) -> dict[str, Any]:
        gateway = self._gateway
        match arguments:
            case commands.DoctorArguments():
                from gateway.api.doctor import examine

                return await examine(gateway)
            case commands.DiscoverArguments():
                from gateway.api.bodies import DiscoveryBody
                from gateway.api.cameras import look_for_cameras

                body = DiscoveryBody(timeout_s=arguments.timeout_s, methods=arguments.methods)
                return await look_for_cameras(gateway, body)
            case commands.CameraCallArguments():
                return await self._call_camera(arguments)
            case commands.SitePlanArguments():
                return await self._run_site_plan(arguments)
            case commands.OutboxRetryArguments():
                from gateway.api.bodies import RetryBody
                from gateway.api.outbox import retry_failed

                return await retry_failed(gateway, RetryBody(**arguments.model_dump()), None)
            case commands.OutboxReleaseArguments():
                from gateway.api.bodies import ReleaseBody
                from gateway.api.outbox import release_held

                return await release_held(gateway, ReleaseBody(to_current=arguments.to_current))
            case commands.TokenRevokeArguments():
                await gateway.tokens.revoke(arguments.name)
                return TokenRevokeResult(revoked=arguments.name).model_dump()
            case commands.UpdateArguments():
                return await self._update()
        raise TypeError(f"no action for {type(arguments).__name__}")

    async def _pack_support_bundle(self) -> dict[str, Any]:
        from gateway.api.support import make_support_bundle

        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "sunmi-gateway-support.tar.gz"
            await make_support_bundle(self._gateway, file)
            content = file.read_bytes()
        if len(content) > MAX_BUNDLE_BYTES:
            raise StateError(
                message(
                    "the bundle has {size} bytes, more than a response holds: make it in the shop, with "
                    "sunmi-gateway support-bundle FILE",
                    size=len(content),
                )
            )
        result = SupportBundleResult(
            file=file.name,
            sha256=hashlib.sha256(content).hexdigest(),
            base64=base64.b64encode(content).decode(),
        )
        return result.model_dump()

    async def _update(self) -> dict[str, Any]:
        link = self._gateway.fleet_link
        if link is None:
            raise TypeError("a command came without a link")
        version, answer = await link.follower.look_for_version()
        match answer.outcome:
            case "refused":
                raise Conflict(answer.reason)
            case "rolled_back":
                text = message(
                    "version {version} was rolled back here, and is not tried again until the head office wants it "
                    "anew: {reason}",
                    version=version,
                    reason=answer.reason,
                )
                raise Conflict(text)
        outcome: Literal["applied", "pending"] = "applied" if answer.outcome == "applied" else "pending"
        return UpdateResult(runs=__version__, wanted=version, outcome=outcome, reason=answer.reason).model_dump()

    async def _call_camera(self, arguments: commands.CameraCallArguments) -> dict[str, Any]:
        endpoint = CATALOGUE.get("camera", arguments.endpoint)
        # Decimal numbers as JSON has them, not the floats of the model.
        call = endpoint.encode(json_text.loads(json_text.dumps(arguments.parameters)))
        sn = self._gateway.registry.find_spelling(arguments.sn)
        response = await self._gateway.cameras.call(sn, call)
        document: dict[str, Any] = endpoint.redact(response.document)
        return document

    async def _run_site_plan(self, arguments: commands.SitePlanArguments) -> dict[str, Any]:
        from gateway.api.site_plan import parse_plan
        from gateway.shop.run_record import RunRequest

        shop = self._gateway.shop
        if arguments.plan is not None:
            await shop.replace(parse_plan(arguments.plan, self._gateway.settings.provisioning))
        request = RunRequest(
            only_failed=arguments.only == "failed",
            confirm_erase=arguments.confirm_erase,
            confirm_offline=arguments.confirm_offline,
        )
        await shop.start_run(request)
        return shop.describe()

"""The command that asks for the account and the shop, verifies them with the cloud, and writes the settings file."""

import os
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TextIO

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext, fail, run_command
from gateway.cli.output import print_members, print_message
from gateway.cli.settings_file import CloudSection
from gateway.cloud.client import CloudClient
from gateway.errors import CloudRejectedCredentials, Problem, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.clock import PeerClock
from gateway.settings import CLOUD_URLS, ENVIRONMENT_PREFIX, find_settings_file_to_write, parse_settings

_QUESTIONS: Final = {
    "environment": message("Environment of the SUNMI store cloud ({environments})", environments=", ".join(CLOUD_URLS)),
    "app_id": message("app_id of your account"),
    "secret_key": message("Secret key of that app_id"),
    "shop_id": message("shop_id of this store"),
}
_OPTIONS: Final = {
    "environment": "--environment",
    "app_id": "--app-id",
    "secret_key": "--secret-file",
    "shop_id": "--shop-id",
}
_EXCLUSIVE_KEYS: Final = {"secret_key": ["secret_key_file"], "shop_id": ["sunmi_shop_no"]}
"""The keys that the file may not have beside another one."""
_UNCHANGED: Final = "\0"
"""Stands for the secret key that is already in the file."""
_VARIABLE_PREFIX: Final = f"{ENVIRONMENT_PREFIX}CLOUD__"
_ANY_SHOP: Final = "0"
"""Stands for a shop that is not known yet. The cloud refuses it only after it has accepted the signature."""
_TIMEOUT_S: Final = 8.0
_TEST_ENDPOINT: Final = CATALOGUE.get("cloud", "device/ipc/getList")


class _Verification(NamedTuple):
    """Whether the cloud accepts the answers."""

    result: Literal["accepted", "refused", "unknown"]
    reason: str = ""
    """Why they are refused, or why it is unknown."""


@click.command()
@click.option("--environment", type=click.Choice(sorted(CLOUD_URLS)))
@click.option("--app-id")
@click.option("--secret-file", type=click.File(), help="Holds the secret key; - is standard input.")
@click.option("--shop-id")
@click.option("--overwrite", is_flag=True, help="Change an existing settings file; its other keys stay.")
@click.option("--unchecked", is_flag=True, help="Write the settings even if the cloud cannot be reached to check them.")
@click.pass_obj
def init(
    context: CommandContext,
    environment: str | None,
    app_id: str | None,
    secret_file: TextIO | None,
    shop_id: str | None,
    overwrite: bool,
    unchecked: bool,
) -> None:
    """Write the settings file: asks for environment, account and shop, and verifies them with the cloud.

    Prompts for what no option gives. The secret key is never on the command line: it comes from --secret-file, from
    $SUNMI_GATEWAY__CLOUD__SECRET_KEY, or from a prompt.
    """
    secret = secret_file.read().strip() if secret_file is not None else None
    given = {"environment": environment, "app_id": app_id, "secret_key": secret, "shop_id": shop_id}
    run_command(context, _Wizard(context, given, overwrite=overwrite, unchecked=unchecked).run())


class _Wizard:
    """Asks for what the options do not give, verifies the answers with the cloud, and writes them."""

    def __init__(
        self, context: CommandContext, given: Mapping[str, str | None], *, overwrite: bool, unchecked: bool
    ) -> None:
        self._context = context
        self._given = {key: one or os.environ.get(f"{_VARIABLE_PREFIX}{key.upper()}") for key, one in given.items()}
        self._overwrite = overwrite
        self._unchecked = unchecked
        self._checked = True

    async def run(self) -> None:
        """Ask, verify and write. Fails if an answer is missing or wrong and nobody can be prompted."""
        self._section = CloudSection(find_settings_file_to_write(self._context.config))
        self._confirm_overwrite()
        self._ask("environment")
        while True:
            self._ask("app_id")
            self._ask("secret_key")
            if self._is_accepted(await self._verify({"shop_id": _ANY_SHOP})):
                break
        while True:
            self._ask("shop_id")
            if self._is_accepted(await self._verify({"shop_id": self._section["shop_id"]})):
                break
        self._section.write()
        self._report()

    def _confirm_overwrite(self) -> None:
        path = self._section.path
        if not self._section.exists or self._overwrite:
            return
        if not self._context.can_prompt:
            fail(
                message("{path} exists: --overwrite changes the account in it and leaves the rest as it is", path=path)
            )
        if not click.confirm(
            localize(message("{path} exists. Change the account in it (the rest stays)?", path=path)), err=True
        ):
            fail(message("{path} was left as it is", path=path))

    def _ask(self, key: str) -> None:
        """Set a key: the first time to what an option gives, else to what a person enters."""
        value = self._given.pop(key, None) or self._prompt(key)
        while not value or (key == "environment" and value not in CLOUD_URLS):
            value = self._prompt(key)
        if value == _UNCHANGED:
            return
        for other in _EXCLUSIVE_KEYS.get(key, ()):
            del self._section[other]
        self._section[key] = value

    def _prompt(self, key: str) -> str:
        is_secret = key == "secret_key"
        current = self._section[key]
        if is_secret and (current or self._section["secret_key_file"]):
            current = _UNCHANGED
        if not self._context.can_prompt:
            if not current:
                fail(message("{option} is missing: {question}", option=_OPTIONS[key], question=_QUESTIONS[key]))
            return current
        question = _QUESTIONS[key]
        if current == _UNCHANGED:
            question = message("{question}, or Enter for the present one", question=question)
        answer: str = click.prompt(
            localize(question),
            default=current or None,
            hide_input=is_secret,
            show_default=not is_secret,
            err=True,
            value_proc=str.strip,
        )
        return answer or current

    async def _verify(self, shop: Mapping[str, str]) -> _Verification:
        """Make a signed call that only reads, with the settings as they would be written."""
        settings = parse_settings(self._section.text, str(self._section.path)).cloud
        cloud = CloudClient(settings, PeerClock(), timeout_s=_TIMEOUT_S)
        try:
            await cloud.call(_TEST_ENDPOINT.encode(shop))
        except CloudRejectedCredentials as exc:
            return _Verification(
                "refused",
                message("app_id or secret key are wrong, or belong to another environment ({reason})", reason=exc),
            )
        except VendorRefused as exc:
            if shop["shop_id"] == _ANY_SHOP:
                return _Verification("accepted")
            return _Verification("refused", message("shop_id {shop_id}: {reason}", shop_id=shop["shop_id"], reason=exc))
        except Problem as exc:
            return _Verification("unknown", exc.detail)
        finally:
            await cloud.close()
        return _Verification("accepted")

    def _is_accepted(self, verification: _Verification) -> bool:
        """Tell whether to go on with an answer. Fails if it is refused and nobody can be prompted for another one."""
        if verification.result == "accepted":
            return True
        if verification.result == "refused":
            if not self._context.can_prompt:
                fail(message("nothing was written: {reason}", reason=verification.reason))
            print_message(verification.reason)
            return False
        if not self._checked or self._unchecked:
            self._checked = False
            return True
        self._checked = False
        if not self._context.can_prompt:
            fail(
                message(
                    "nothing was written; the answers cannot be checked: {reason}; --unchecked writes them",
                    reason=verification.reason,
                )
            )
        print_message(message("The answers cannot be checked: {reason}", reason=verification.reason))
        if not click.confirm(localize(message("Write them unchecked?")), err=True):
            fail(message("nothing was written"))
        return True

    def _report(self) -> None:
        section = self._section
        document = {"settings": str(section.path)} | {key: section[key] for key in ("environment", "app_id", "shop_id")}
        self._context.emit(document | {"checked": self._checked}, print_members)
        if not self._checked:
            print_message(
                message("The cloud could not be reached to check this: `sunmi-gateway doctor` does so later.")
            )

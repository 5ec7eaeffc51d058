"""The command that asks for the account and the shop, proves them to the cloud, and writes the settings file."""

import os
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TextIO

import click

from gateway.cli.command import CommandContext, fail, run_command
from gateway.cli.output import print_members, print_message
from gateway.cli.settings_file import CloudDraft
from gateway.cloud.client import CloudClient
from gateway.errors import CloudRejectedCredentials, Problem, VendorRefused
from gateway.protocol.catalogue import CATALOGUE
from gateway.runtime.clock import PeerClock
from gateway.settings import CLOUD_URLS, ENVIRONMENT_PREFIX, find_settings_file_to_write, parse_settings

_QUESTIONS: Final = {
    "environment": f"Environment of the SUNMI store cloud ({', '.join(CLOUD_URLS)})",
    "app_id": "app_id of your account",
    "secret_key": "Secret key of that app_id",
    "shop_id": "shop_id of this store",
}
_OPTIONS: Final = {
    "environment": "--environment",
    "app_id": "--app-id",
    "secret_key": "--secret-file",
    "shop_id": "--shop-id",
}
_RIVALS: Final = {"secret_key": ["secret_key_file"], "shop_id": ["sunmi_shop_no"]}
"""What the file may not say beside an answer."""
_KEPT: Final = "\0"
"""Stands in for the secret key that the file holds already."""
_VARIABLES: Final = f"{ENVIRONMENT_PREFIX}CLOUD__"
_ANY_SHOP: Final = "0"
"""Stands in for a shop that is not known yet: a refusal of it comes after the signature was accepted."""
_PATIENCE_S: Final = 8.0
_CAMERAS: Final = CATALOGUE.get("cloud", "device/ipc/getList")

Verdict = Literal["accepted", "refused", "unknown"]


class _Judged(NamedTuple):
    verdict: Verdict
    reason: str = ""


@click.command()
@click.option("--environment", type=click.Choice(sorted(CLOUD_URLS)))
@click.option("--app-id")
@click.option("--secret-file", type=click.File(), help="Holds the secret key; - is standard input.")
@click.option("--shop-id")
@click.option("--overwrite", is_flag=True, help="Change a settings file that exists; what else it says stays.")
@click.option("--unchecked", is_flag=True, help="Go on where the cloud cannot be reached to check the answers.")
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
    """Write the settings file: asks for environment, account and shop, and checks them with the cloud.

    What an option gives is not asked. The secret key never stands on the command line: it comes from --secret-file,
    from $SUNMI_GATEWAY__CLOUD__SECRET_KEY, or is asked.
    """
    secret = secret_file.read().strip() if secret_file is not None else None
    given = {"environment": environment, "app_id": app_id, "secret_key": secret, "shop_id": shop_id}
    run_command(context, _Interview(context, given, overwrite=overwrite, unchecked=unchecked).hold())


class _Interview:
    """Fills the draft of a settings file with answers, given or asked, each of which the cloud has confirmed."""

    def __init__(
        self, context: CommandContext, given: Mapping[str, str | None], *, overwrite: bool, unchecked: bool
    ) -> None:
        self._context = context
        self._given = {key: one or os.environ.get(f"{_VARIABLES}{key.upper()}") for key, one in given.items()}
        self._overwrite = overwrite
        self._unchecked = unchecked
        self._checked = True

    async def hold(self) -> None:
        """Ask, check and write. Fails where an answer is missing or wrong and nobody can be asked."""
        self._draft = CloudDraft(find_settings_file_to_write(self._context.config))
        self._may_overwrite()
        self._answer("environment")
        while True:
            self._answer("app_id")
            self._answer("secret_key")
            if self._settled(await self._judge({"shop_id": _ANY_SHOP})):
                break
        while True:
            self._answer("shop_id")
            if self._settled(await self._judge({"shop_id": self._draft["shop_id"]})):
                break
        self._draft.write()
        self._tell()

    def _may_overwrite(self) -> None:
        path = self._draft.path
        if not self._draft.exists or self._overwrite:
            return
        if not self._context.can_prompt:
            fail(f"{path} exists: --overwrite changes the account in it and leaves the rest as it is")
        if not click.confirm(f"{path} exists. Change the account in it (the rest stays)?", err=True):
            fail(f"{path} was left as it is")

    def _answer(self, key: str) -> None:
        """Put an answer into the draft: the given one the first time, else what a person says."""
        value = self._given.pop(key, None) or self._asked(key)
        while not value or (key == "environment" and value not in CLOUD_URLS):
            value = self._asked(key)
        if value == _KEPT:
            return
        for rival in _RIVALS.get(key, ()):
            del self._draft[rival]
        self._draft[key] = value

    def _asked(self, key: str) -> str:
        hidden = key == "secret_key"
        known = self._draft[key]
        if hidden and (known or self._draft["secret_key_file"]):
            known = _KEPT
        if not self._context.can_prompt:
            if not known:
                fail(f"{_OPTIONS[key]} is missing: {_QUESTIONS[key]}")
            return known
        question = f"{_QUESTIONS[key]}, or Enter for the present one" if known == _KEPT else _QUESTIONS[key]
        answer: str = click.prompt(
            question, default=known or None, hide_input=hidden, show_default=not hidden, err=True, value_proc=str.strip
        )
        return answer or known

    async def _judge(self, shop: Mapping[str, str]) -> _Judged:
        """Make a signed call that only reads, at the cloud that the draft and the environment choose."""
        settings = parse_settings(self._draft.text, str(self._draft.path)).cloud
        cloud = CloudClient(settings, PeerClock(), timeout_s=_PATIENCE_S)
        try:
            await cloud.call(_CAMERAS.encode(shop))
        except CloudRejectedCredentials as exc:
            return _Judged("refused", f"app_id or secret key are wrong, or belong to another environment ({exc})")
        except VendorRefused as exc:
            if shop["shop_id"] == _ANY_SHOP:
                return _Judged("accepted")
            return _Judged("refused", f"shop_id {shop['shop_id']}: {exc}")
        except Problem as exc:
            return _Judged("unknown", exc.detail)
        finally:
            await cloud.close()
        return _Judged("accepted")

    def _settled(self, judged: _Judged) -> bool:
        """Tell whether to go on with an answer. Fails where it was refused and nobody can give another one."""
        if judged.verdict == "accepted":
            return True
        if judged.verdict == "refused":
            if not self._context.can_prompt:
                fail(f"nothing was written: {judged.reason}")
            print_message(judged.reason)
            return False
        if not self._checked or self._unchecked:
            self._checked = False
            return True
        self._checked = False
        if not self._context.can_prompt:
            fail(f"nothing was written, because the answers cannot be checked: {judged.reason}; --unchecked goes on")
        print_message(f"The answers cannot be checked: {judged.reason}")
        if not click.confirm("Write them unchecked?", err=True):
            fail("nothing was written")
        return True

    def _tell(self) -> None:
        draft = self._draft
        document = {"settings": str(draft.path)} | {key: draft[key] for key in ("environment", "app_id", "shop_id")}
        self._context.emit(document | {"checked": self._checked}, print_members)
        if not self._checked:
            print_message("The cloud could not be reached to check this: `sunmi-gateway doctor` does so later.")

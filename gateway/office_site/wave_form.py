"""The fields of forms that say for which shops a change is, and in which waves it reaches them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from firmware_tools.language import message
from gateway.console.form import Form
from gateway.errors import FieldError, InvalidRequest
from gateway.office.rollout_documents import RolloutTarget
from gateway.office.rollouts import DEFAULT_STOP_AT, DEFAULT_WAIT_S, DEFAULT_WAVES


@dataclass(frozen=True, slots=True)
class WaveForm:
    """What a person has filled in about waves."""

    waves: str = ", ".join(DEFAULT_WAVES)
    """The waves, with commas."""
    stop_at: str = f"{DEFAULT_STOP_AT * 100:g}"
    """The share of failures at which it stops, in percent."""
    wait_minutes: str = f"{DEFAULT_WAIT_S / 60:g}"
    """For how long each wave is waited for, in minutes."""

    @classmethod
    def of(cls, form: Form) -> "WaveForm":
        """Read it from a form; a form without these fields has the usual ones."""
        usual = cls()
        return cls(
            form.text("waves") or usual.waves,
            form.text("stop_at") or usual.stop_at,
            form.text("wait_minutes") or usual.wait_minutes,
        )

    @property
    def values(self) -> Mapping[str, Any]:
        """What stands in the fields."""
        return {"waves": self.waves, "stop_at": self.stop_at, "wait_minutes": self.wait_minutes}

    def read(self) -> dict[str, Any]:
        """Return it as `start_rollout` takes it. Raises `InvalidRequest`."""
        return {
            "waves": [one.strip() for one in self.waves.split(",") if one.strip()],
            "stop_at": _read_number("stop_at", self.stop_at) / 100,
            "wait_s": _read_number("wait_minutes", self.wait_minutes) * 60,
        }


def read_target(form: Form) -> RolloutTarget:
    """Return for which shops a form says that a change is. Raises `InvalidRequest`."""
    shops = tuple(dict.fromkeys(one.strip() for one in form.text("shops").split(",") if one.strip()))
    group = form.text("target")
    try:
        if shops:
            return RolloutTarget(shops=shops)
        return RolloutTarget(groups=(group,)) if group else RolloutTarget(everyone=True)
    except ValidationError as exc:
        reason = message("a name has 1 to 64 letters, digits, - and _")
        raise InvalidRequest([FieldError("shops", reason)]) from exc


def list_typed(form: Form | None, *names: str) -> Mapping[str, str]:
    """Return what a person has filled in, by field; nothing without a form."""
    return {name: "" if form is None else form.text(name) for name in names}


def _read_number(name: str, text: str) -> float:
    try:
        return float(text.removesuffix("%").replace(",", "."))
    except ValueError as exc:
        raise InvalidRequest([FieldError(name, message("must be a number"))]) from exc

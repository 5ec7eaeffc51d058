"""The option `--fault` of simulated servers: its text, and the help that lists every fault."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import click

from gateway.console.simulated_store import SimulatedStoreControl
from gateway.simulator.faults import (
    COMMON_PARAMETERS,
    FAULT_KINDS,
    PARAMETERS,
    SWITCHES,
    FaultInjection,
    FaultKind,
    FaultSetting,
    InjectedFault,
)
from gateway.simulator.store import SimulatedStore

Injector: TypeAlias = Callable[[FaultInjection], None]
"""Injects one fault, or sets one switch."""


class FaultOption(click.ParamType[Injector]):
    """A fault as `KIND[:name=value,…]`, or a switch as `NAME[:value]`."""

    name = "fault"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Injector:
        """Return what injects the fault."""
        try:
            return parse_fault(str(value))
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


class FaultCommand(click.Command):
    """A command with the option `--fault`; its help ends with a list of all faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        with formatter.section("Faults of single calls, as KIND or KIND:name=value,name=value"):
            formatter.write_dl([(_usage(kind), known.effect) for kind, known in FAULT_KINDS.items()])
        with formatter.section("Their parameters; every fault has path and times"):
            formatter.write_dl([(setting.name, setting.description) for setting in PARAMETERS.values()])
        with formatter.section("Faults of every call, as NAME or NAME:value"):
            formatter.write_dl([(_switch_usage(switch), switch.description) for switch in SWITCHES.values()])


def fault_option(name: str, destination: str, help_text: str) -> Callable[[Any], Any]:
    """Return a decorator that adds a repeatable option for faults to a command."""
    return click.option(name, destination, multiple=True, type=FaultOption(), metavar="FAULT", help=help_text)


def inject(injectors: Iterable[Injector], faults: FaultInjection) -> FaultInjection:
    """Inject faults, and return where they were injected."""
    for injector in injectors:
        injector(faults)
    return faults


def parse_fault(text: str) -> Injector:
    """Read a fault. Raises ValueError naming what is wrong, and what there is."""
    name, _, rest = text.partition(":")
    if name in SWITCHES:
        switch = SWITCHES[name]
        value = _parse_value(switch, rest or ("true" if switch.type is bool else ""))
        return lambda faults: setattr(faults, name, value)
    kind = next((known for known in FAULT_KINDS if known == name), None)
    if kind is None:
        raise ValueError(f"{name!r} is not a fault; there are {', '.join([*FAULT_KINDS, *SWITCHES])}")
    arguments = _parse_parameters(kind, rest)
    InjectedFault(kind, **arguments)  # refuses one that would do nothing
    return lambda faults: faults.add(kind, **arguments)


def _parse_parameters(kind: FaultKind, text: str) -> dict[str, Any]:
    known = (*FAULT_KINDS[kind].parameters, *COMMON_PARAMETERS)
    arguments: dict[str, Any] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if name not in known:
            raise ValueError(f"{kind} has no parameter {name!r}; it has {', '.join(known)}")
        if not equals:
            raise ValueError(f"{kind}: {name} needs a value, as {name}=…")
        arguments[name] = _parse_value(PARAMETERS[name], value)
    return arguments


def _parse_value(setting: FaultSetting, text: str) -> Any:
    if setting.type is bool:
        if text not in ("true", "false"):
            raise ValueError(f"{setting.name} is true or false, not {text!r}")
        return text == "true"
    try:
        return setting.type(text)
    except ValueError as exc:
        kind = "a whole number" if setting.type is int else "a number"
        raise ValueError(f"{setting.name} is {kind}, not {text!r}") from exc


def _usage(kind: FaultKind) -> str:
    parameters = FAULT_KINDS[kind].parameters
    return f"{kind}:{','.join(f'{name}=…' for name in parameters)}" if parameters else kind


def _switch_usage(switch: FaultSetting) -> str:
    if switch.type is not bool:
        return f"{switch.name}:…"
    return f"{switch.name}:false" if switch.default else switch.name


def control_faults(store: SimulatedStore) -> SimulatedStoreControl:
    """Return what lets the console tell the servers of a simulated store to misbehave."""
    servers = {"cloud": store.cloud.faults} | {camera.sn: camera.faults for camera in store.cameras}

    def inject_one(target: str, fault: str) -> None:
        if target not in servers:
            raise ValueError(f"there is no server {target!r}; there are {', '.join(servers)}")
        parse_fault(fault)(servers[target])

    def clear() -> None:
        for faults in servers.values():
            faults.clear()

    kinds = [(_usage(kind), known.effect) for kind, known in FAULT_KINDS.items()]
    switches = [(_switch_usage(switch), switch.description) for switch in SWITCHES.values()]
    return SimulatedStoreControl(tuple(servers), (*kinds, *switches), inject_one, clear)

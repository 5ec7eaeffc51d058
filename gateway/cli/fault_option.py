"""The option `--fault` of simulated servers: its text, and the help that lists every fault."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import click

from firmware_tools.command_language import localize
from firmware_tools.language import Message, describe_error, message
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
            self.fail(localize(describe_error(exc)), param, ctx)


class FaultCommand(click.Command):
    """A command with the option `--fault`; its help ends with a list of all faults."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list."""
        with formatter.section(localize(message("Faults of single calls, as KIND or KIND:name=value,name=value"))):
            formatter.write_dl([(_usage(kind), localize(known.effect)) for kind, known in FAULT_KINDS.items()])
        with formatter.section(localize(message("Their parameters; every fault has path and times"))):
            formatter.write_dl([(setting.name, localize(setting.description)) for setting in PARAMETERS.values()])
        with formatter.section(localize(message("Faults of every call, as NAME or NAME:value"))):
            formatter.write_dl([(_switch_usage(switch), localize(switch.description)) for switch in SWITCHES.values()])


def fault_option(name: str, destination: str, help_text: Message) -> Callable[[Any], Any]:
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
        raise ValueError(
            message("{name!r} is not a fault; there are {names}", name=name, names=", ".join([*FAULT_KINDS, *SWITCHES]))
        )
    arguments = _parse_parameters(kind, rest)
    InjectedFault(kind, **arguments)  # refuses one that would do nothing
    return lambda faults: faults.add(kind, **arguments)


def _parse_parameters(kind: FaultKind, text: str) -> dict[str, Any]:
    known = (*FAULT_KINDS[kind].parameters, *COMMON_PARAMETERS)
    arguments: dict[str, Any] = {}
    for pair in filter(None, text.split(",")):
        name, equals, value = pair.partition("=")
        if name not in known:
            raise ValueError(
                message(
                    "{kind} has no parameter {name!r}; it has {names}", kind=kind, name=name, names=", ".join(known)
                )
            )
        if not equals:
            raise ValueError(message("{kind}: {name} needs a value, as {name}=…", kind=kind, name=name))
        arguments[name] = _parse_value(PARAMETERS[name], value)
    return arguments


def _parse_value(setting: FaultSetting, text: str) -> Any:
    if setting.type is bool:
        if text not in ("true", "false"):
            raise ValueError(message("{name} is true or false, not {text!r}", name=setting.name, text=text))
        return text == "true"
    try:
        return setting.type(text)
    except ValueError as exc:
        kind = message("a whole number") if setting.type is int else message("a number")
        raise ValueError(message("{name} is {kind}, not {text!r}", name=setting.name, kind=kind, text=text)) from exc


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
            raise ValueError(
                message("there is no server {target!r}; there are {names}", target=target, names=", ".join(servers))
            )
        parse_fault(fault)(servers[target])

    def clear() -> None:
        for faults in servers.values():
            faults.clear()

    async def plug(sn: str, plugged: bool) -> None:
        camera = next((one for one in store.cameras if one.sn == sn), None)
        if camera is None:
            raise ValueError(message("there is no camera {sn!r}", sn=sn))
        if plugged and not camera.is_plugged_in:
            await camera.start()
        elif not plugged:
            await camera.stop()

    kinds = [(_usage(kind), localize(known.effect)) for kind, known in FAULT_KINDS.items()]
    switches = [(_switch_usage(switch), localize(switch.description)) for switch in SWITCHES.values()]
    return SimulatedStoreControl(
        tuple(servers),
        (*kinds, *switches),
        inject_one,
        clear,
        lambda: {camera.sn: camera.is_plugged_in for camera in store.cameras},
        plug,
        store.site_plan_csv(),
    )

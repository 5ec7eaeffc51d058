"""The command that serves the head office's pages and API."""

import contextlib
import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from firmware_tools.command_language import localize
from firmware_tools.language import message
from gateway.cli.command import CommandContext
from gateway.cli.interrupt import stop_signal
from gateway.cli.office_folder import with_office
from gateway.cli.output import print_message
from gateway.protocol.host_name import parse_host_names
from gateway.runtime import logs

if TYPE_CHECKING:
    from gateway.office.office import Office
    from gateway.office_site.site import OfficeSite

_SESSION: Final = "browser"
_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


def _check_host(_: click.Context, __: click.Parameter, value: Any) -> Any:
    """Return addresses and host names as certificates have them."""
    return tuple(map(_write_host, value)) if isinstance(value, tuple) else _write_host(value)


def _write_host(name: str) -> str:
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    try:
        [host] = parse_host_names([name.encode("idna").decode()], example="office.example")
    except ValueError as exc:
        what = message(
            "{name!r} is no address, and no host name such as office.example, without scheme and port", name=name
        )
        raise click.BadParameter(localize(what)) from exc
    return host


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, callback=_check_host,
              help="Where the pages are; 0.0.0.0 for every address.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8443, show_default=True, help="Their port; 0 for any.")
@click.option("--name", "names", multiple=True, metavar="HOST", callback=_check_host,
              help="A name or address by which people reach them, in links and certificate; repeatable.")  # fmt: skip
@click.option("--certificate", type=_FILE, help="An own certificate in PEM, instead of one of the chain's authority.")
@click.option("--private-key", type=_FILE, help="Its key in PEM.")
@click.option("--log-level", type=click.Choice(logs.LEVELS), default="info", show_default=True, help="What to log.")
@with_office
async def serve(
    context: CommandContext,
    office: "Office",
    *,
    host: str,
    port: int,
    names: tuple[str, ...],
    certificate: Path | None,
    private_key: Path | None,
    log_level: logs.Level,
) -> None:
    """Serve the pages of the head office, its API, and the service with which shops join.

    Shops join at the address that `office init --join` has named. Roll-outs are advanced as long as this runs.
    Everything is in the servers of the chain: several of these can run, and each can be moved with the folder.
    """
    from gateway.office_site.server import OwnCertificate, serve_office

    if (certificate is None) != (private_key is None):
        raise click.UsageError(localize(message("--certificate and --private-key belong together")))
    logs.configure(log_level)
    own = OwnCertificate(certificate, private_key) if certificate is not None and private_key is not None else None
    stop = stop_signal()
    async with serve_office(office, host, port, names=names, own_certificate=own) as site:
        code = site.pairing.create(_SESSION, ["admin"])
        document = {
            "urls": site.urls,
            "join": site.join_url,
            "sign_in": f"{site.urls[0]}/console/sign-in#code={code.code}",
        }
        context.emit({**document, "code": code.readable}, lambda shown: _print_start(site, shown))
        await stop.wait()


def _print_start(site: "OfficeSite", shown: dict[str, Any]) -> None:
    print_message(message("the head office serves on {urls}; shops join at {join}", urls=" ".join(site.urls),
                          join=shown["join"]))  # fmt: skip
    print_message(message("sign in with the code {code}, good for 10 minutes: {url}", code=shown["code"],
                          url=shown["sign_in"]))  # fmt: skip
    authority = site.office.folder.path / "authority.pem"
    print_message(message("browsers trust it once they know the chain's authority: {path}", path=authority))

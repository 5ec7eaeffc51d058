"""The reference page: the catalogue as Markdown."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gateway.protocol.endpoint import Catalogue, Endpoint, Side
from gateway.protocol.parameters import Format, Parameter
from gateway.protocol.relay_policy import RelayPolicy

_FORMATS: Final[Mapping[Format, str]] = {
    "date": "YYYY-MM-DD",
    "timestamp": "Unix time",
    "line": "one line",
    "ssid": "one line, at most 32 bytes in UTF-8",
    "wifi_password": "one line; 64 only as hexadecimal digits",
}
"""What the formats of parameters mean."""


_SIDES: Final[tuple[tuple[Side, str], ...]] = (("camera", "Cameras"), ("cloud", "Cloud"))
_AUTH: Final = {
    "signed": "signed with the secret key",
    "activation": "signed with the activation number",
    "none": "not signed",
}
_AVAILABILITY: Final = {
    "available": "available",
    "developing": "in development, according to the vendor",
    "unavailable": "not available, according to the vendor",
    "listed": "only listed by the vendor, never described",
}
_WAITING: Final = {
    "keep": "each is sent, none is merged with another or replaced",
    "merge": "newer ones of the same key are merged into it field by field, the newest value wins",
    "replace": "a newer one of the same key takes its place",
}
_INTRODUCTION: Final = """\
# Vendor endpoints

Every endpoint of the vendor that the gateway knows, generated from the catalogue by
`packaging/generate.sh`: do not edit this page. Parameters are private ones; `app_id`, `timestamp`,
`random` and `sign` are added when a call is signed. Response fields are those below `data`. *Inferred* marks what no
document says. *Scope* is what a token needs: `pos`, `media`, `people`, `installer` (which includes `pos` and
`media`) or `admin` (which includes all). *Source* names the vendor's page and the section on it. *Confidence* is
high where that page is explicit, medium where it was seen in part or is contradicted, low for a guess with a reason.
*Queued* calls are kept in the outbox until the cloud has taken them: by their priority, 0 first, and those with the
same order key one after the other. Calls of cameras are never queued."""


def render(catalogue: Catalogue) -> str:
    """Return the reference page of a catalogue."""
    parts = [_INTRODUCTION, *_render_contents(catalogue)]
    for side, heading in _SIDES:
        parts.append(f"## {heading}")
        for chapter, endpoints in _group_by_chapter(catalogue.list_endpoints(side)).items():
            parts.append(f"### {heading}: {chapter}")
            for endpoint in endpoints:
                parts += _render_endpoint(endpoint)
    return "\n\n".join(parts) + "\n"


def _describe_size(endpoint: Endpoint) -> str:
    if endpoint.takes_file:
        return ", files aside"
    return " in each call that is sent" if endpoint.relay is not None and endpoint.relay.list_parameter else ""


def describe_relay_policy(relay: RelayPolicy) -> Iterator[str]:
    """Yield one Markdown sentence for each rule of a relay policy."""
    items = (
        f"each element of `{relay.list_parameter}` is an item, up to {relay.max_batch_size} in a call"
        if relay.list_parameter
        else "one item"
    )
    yield f"Queued, priority {relay.priority}: {items}."
    keys = [
        f"the {key.kind} ({', '.join(f'`{name}`' for name in key.names) or 'the element'})" for key in relay.order_keys
    ]
    yield f"Order key: {' and '.join(keys)}."
    barrier = "; a barrier: nothing older is merged or replaced across it" if relay.barrier else ""
    yield f"While one waits, {_WAITING[relay.on_newer]}{barrier}."
    if relay.deduplicated:
        yield (
            "Handed over without an Idempotency-Key, what has the content of the newest version of the same key is "
            "that version again, and is tried again if that was refused; other content is a newer version behind it."
        )
    if relay.expires_after_s is not None:
        yield f"Expires when it has waited for {relay.expires_after_s} s of uptime."
    for code in relay.done_codes:
        yield f"Code {code} says that its effect is there already: it is delivered."
    outcomes = {
        "redirected": f"is sent to {relay.redirect_to} instead",
        "refused": "is refused",
        "delivered": "is delivered",
    }
    for name, result_list in relay.result_lists.items():
        may_create = relay.creating_member and result_list.outcome == "refused" and name != "invalid_list"
        exception = f", or delivered if it has a `{relay.creating_member}`" if may_create else ""
        yield f"An item named in `{name}` {outcomes[result_list.outcome]}{exception}: {result_list.meaning}."


def _group_by_chapter(endpoints: Iterable[Endpoint]) -> dict[str, list[Endpoint]]:
    chapters: dict[str, list[Endpoint]] = {}
    for endpoint in endpoints:
        chapters.setdefault(endpoint.path.partition("/")[0], []).append(endpoint)
    return chapters


def _anchor(endpoint: Endpoint) -> str:
    return f"{endpoint.side}-{endpoint.path.replace('/', '-')}"


def _render_contents(catalogue: Catalogue) -> Iterator[str]:
    for side, heading in _SIDES:
        endpoints = catalogue.list_endpoints(side)
        yield f"**{heading}** ({len(endpoints)} endpoints)"
        yield "\n".join(
            f"- {chapter}: " + ", ".join(f"[{one.path}](#{_anchor(one)})" for one in members)
            for chapter, members in _group_by_chapter(endpoints).items()
        )


def _render_endpoint(endpoint: Endpoint) -> Iterator[str]:
    yield f'<a id="{_anchor(endpoint)}"></a>\n\n#### {endpoint.path}'
    yield f"{endpoint.title}. Source: {endpoint.source}. Confidence: {endpoint.confidence}."
    yield "\n".join(_list_facts(endpoint))
    if endpoint.note:
        yield f"Note: {endpoint.note}"
    if endpoint.parameters:
        yield _render_table(
            ("Parameter", "Type", "Required", "Limits", "Meaning"), _list_parameters(endpoint.parameters)
        )
    if endpoint.response_fields:
        yield _render_table(
            ("Response field", "Type", "Meaning"),
            (
                (f"`{one.path}`", one.type, f"{one.description} Secret." if one.secret else one.description)
                for one in endpoint.response_fields
            ),
        )
    yield _render_table(
        ("Code", "Meaning"),
        (
            (str(one.code), f"{one.meaning} *(inferred)*" if one.inferred else one.meaning)
            for one in endpoint.return_codes
        ),
    )


def _list_facts(endpoint: Endpoint) -> Iterator[str]:
    relaxed = f" (`pos` with `server.{endpoint.pos_setting}`)" if endpoint.pos_setting else ""
    yield f"- Scope `{endpoint.scope}`{relaxed}; {_AUTH[endpoint.auth]}; {_AVAILABILITY[endpoint.availability]}."
    yield f"- {'Safe' if endpoint.repeatable else 'Not safe'} to send again when the response was lost."
    if endpoint.relay is not None:
        yield from (f"- {fact}" for fact in describe_relay_policy(endpoint.relay))
    elif endpoint.side == "cloud":
        yield "- Not queued."
    if endpoint.takes_file:
        yield "- Sent as multipart/form-data."
    if endpoint.timeout_s is not None:
        yield f"- May take {endpoint.timeout_s:g} s."
    if endpoint.max_bytes is not None:
        yield f"- At most {endpoint.max_bytes} bytes{_describe_size(endpoint)}."
    for limit in endpoint.limits:
        yield f"- From `{limit.start}` to `{limit.end}`: at most {limit.max_units} {limit.unit}."


def _list_parameters(parameters: Sequence[Parameter], inside: str = "") -> Iterator[tuple[str, ...]]:
    for one in parameters:
        kind = f"array of {one.items}" if one.items else one.type
        yield f"`{inside}{one.name}`", kind, _describe_required(one, parameters), _describe_limits(one), one.description
        yield from _list_parameters(one.properties, f"{inside}{one.name}[].")


def _describe_required(one: Parameter, parameters: Sequence[Parameter]) -> str:
    if one.one_of:
        return "one of " + ", ".join(f"`{other.name}`" for other in parameters if other.one_of == one.one_of)
    if one.replaces:
        return f"instead of `{one.replaces}`"
    return "yes" if one.required else "no"


def _describe_limits(one: Parameter) -> str:
    limits = []
    if one.min is not None or one.max is not None:
        limits.append(_describe_range(one.min, one.max))
    if one.min_length is not None or one.max_length is not None:
        limits.append(
            _describe_range(one.min_length, one.max_length) + " characters" + (", or empty" if one.allow_empty else "")
        )
    if one.max_bytes is not None:
        limits.append(f"at most {one.max_bytes} bytes")
    if one.format is not None:
        limits.append(_FORMATS[one.format])
    if one.choices:
        values = ", ".join(f"{choice.value}: {choice.meaning}" for choice in one.choices)
        limits.append(f"{values}{', or another' if one.open else ''}")
    limits += [
        f"{picture.model}: {picture.width} x {picture.height} pixels in {', '.join(picture.colours)}"
        for picture in one.picture_formats
    ]
    if one.default is not None:
        limits.append(f"default {one.default}")
    if one.secret:
        limits.append("secret")
    return "; ".join(limits)


def _describe_range(low: int | None, high: int | None) -> str:
    if high is None:
        return f"at least {low}"
    if low == high:
        return str(low)
    return f"at most {high}" if low is None else f"{low} to {high}"


def _render_table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)

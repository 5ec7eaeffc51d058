"""The API reference as one HTML page, made from the OpenAPI document. It loads nothing from elsewhere."""

from html import escape
from typing import Any

from gateway.api.model_schemas import REFERENCE_PREFIX

_MAX_DEPTH = 2
"""How many references the page follows."""
_STYLE = """
body { background: #fff; color: #222; font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem }
body { padding: 1rem }
h2 { border-bottom: 2px solid #f60; margin-top: 3rem }
details { border: 1px solid #ddd; border-radius: 6px; margin: .5rem 0; padding: .5rem .8rem }
summary { cursor: pointer }
summary code { font-weight: 600 }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 }
th, td { border: 1px solid #ddd; padding: .3rem .5rem; text-align: left; vertical-align: top }
.method { background: #f60; border-radius: 4px; color: #fff; font-size: .8rem; padding: .1rem .4rem }
pre { background: #f5f5f5; overflow: auto; padding: .6rem }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #ddd } details, th, td { border-color: #444 } pre { background: #222 }
}
"""


def render(document: dict[str, Any]) -> str:
    """Return the reference of an OpenAPI document as HTML."""
    document = {**document, "paths": _resolve(document["paths"], document["components"]["schemas"])}
    sections = []
    for tag in document["tags"]:
        operations = [
            _render_operation(method, path, operation)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        title, text = escape(tag["name"].capitalize()), escape(tag["description"])
        sections.append(f'<h2 id="{escape(tag["name"])}">{title}</h2><p>{text}</p>{"".join(operations)}')
    sections.append(_render_events(document["components"]["schemas"]))
    info = document["info"]
    names = [*(tag["name"] for tag in document["tags"]), "events"]
    contents = " · ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in names)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>"
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>"
        f'<p>{contents} · <a href="openapi.json">openapi.json</a></p>'
        "<p>Every call carries <code>Authorization: Bearer TOKEN</code>; "
        "<code>sunmi-gateway token create</code> makes tokens. "
        "Every failure is <code>application/problem+json</code>.</p>"
        f"{''.join(sections)}</body></html>"
    )


def _render_operation(method: str, path: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody", {}).get("content", {})
    headers = {one["name"]: one["schema"] | one for one in operation.get("parameters", ()) if one["in"] == "header"}
    tables = f"<p>Headers</p>{_render_parameters({'properties': headers})}" if headers else ""
    tables += "".join(
        f"<p>Body: <code>{escape(kind)}</code></p>{_render_parameters(one['schema'])}" for kind, one in body.items()
    )
    rows = "".join(
        f"<tr><td>{escape(code)}</td><td>{escape(response.get('description', 'A failure.'))}</td></tr>"
        for code, response in operation["responses"].items()
    )
    return (
        f'<details id="{escape(operation["operationId"])}">'
        f'<summary><span class="method">{escape(method.upper())}</span> '
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>"
        f"<p>{escape(operation['description'])}</p>{tables}"
        f"<table><tr><th>Status</th><th>Meaning</th></tr>{rows}</table></details>"
    )


def _render_events(schemas: dict[str, Any]) -> str:
    event = schemas["Event"]
    types = [
        (name, _resolve(_find(reference, schemas), schemas))
        for name, reference in event["discriminator"]["mapping"].items()
    ]
    types.append(("other", schemas["OtherEvent"]))
    details = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code> '
        f"{escape(one['description'])}</summary>{_render_parameters(one['properties']['data'])}</details>"
        for name, one in types
    )
    return (
        f'<h2 id="events">Events</h2><p>{escape(event["description"])} Its members:</p>'
        f"{_render_parameters(schemas['OtherEvent'])}<p>The members of <code>data</code>, by type:</p>{details}"
    )


def _resolve(part: Any, schemas: dict[str, Any], *, depth: int = 0) -> Any:
    """Return a part of the document with the schemas in place of references to them, as deep as the page shows them."""
    if isinstance(part, list):
        return [_resolve(one, schemas, depth=depth) for one in part]
    if not isinstance(part, dict):
        return part
    reference = part.get("$ref", "")
    if reference.startswith(REFERENCE_PREFIX):
        if depth == _MAX_DEPTH:
            return {"type": "object", **{name: one for name, one in part.items() if name != "$ref"}}
        return _resolve(_find(reference, schemas), schemas, depth=depth + 1) | {
            name: one for name, one in part.items() if name != "$ref"
        }
    return {name: _resolve(one, schemas, depth=depth) for name, one in part.items()}


def _find(reference: str, schemas: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = schemas[reference.removeprefix(REFERENCE_PREFIX)]
    return found


def _render_parameters(schema: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_describe_type(one))}</td>"
        f"<td>{'yes' if name in required else ''}</td><td>{escape(_describe_parameter(one))}</td></tr>"
        for name, one in schema.get("properties", {}).items()
    )
    if not rows:
        return "<p>No parameters.</p>"
    return f"<table><tr><th>Parameter</th><th>Type</th><th>Required</th><th>Meaning</th></tr>{rows}</table>"


def _describe_type(schema: dict[str, Any]) -> str:
    if "contentMediaType" in schema:
        return "file"
    kind = schema.get("type") or [str(one.get("type")) for one in schema.get("anyOf", ())]
    if isinstance(kind, list):
        return " or ".join(kind)
    return f"array of {_describe_type(schema['items'])}" if kind == "array" and "items" in schema else str(kind)


def _describe_parameter(schema: dict[str, Any]) -> str:
    words = {"minimum": "from", "maximum": "to", "minLength": "at least", "maxLength": "at most", "default": "default"}
    limits = [f"{word} {schema[name]}" for name, word in words.items() if schema.get(name) is not None]
    return " ".join(
        part for part in (schema.get("description", ""), f"({', '.join(limits)})" if limits else "") if part
    )

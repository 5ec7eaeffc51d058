import functools
from typing import Any

import pytest

from firmware_tools.language import Language
from gateway.console.form import Form
from gateway.console.parameter_form import PREFIX, make_fields, read_arguments
from gateway.console.rendering import Renderer
from gateway.console.static_files import StaticFiles
from gateway.errors import InvalidRequest
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint
from gateway.protocol.parameters import Choice, FilePart, Parameter
from gateway.protocol.return_codes import camera_codes


def make_form(**fields: str | list[str]) -> Form:
    return Form(
        {f"{PREFIX}{name}": value if isinstance(value, list) else [value] for name, value in fields.items()}, {}
    )


@functools.cache
def load_template() -> Any:
    return (
        Renderer(StaticFiles())
        ._environments[Language.ENGLISH]
        .from_string(
            '{% from "parameter_form.html" import parameter_field with context %}'
            '{% for one in fields %}{{ parameter_field(one, "try") }}{% endfor %}'
        )
    )


def render(endpoint: Endpoint, **given: Any) -> str:
    return str(load_template().render(fields=make_fields(endpoint, **given)))


def test_the_control_follows_from_the_parameter() -> None:
    controls = {
        field.parameter.name: field.control
        for path in ("config/setZoom", "config/setIrMode", "config/setRotation", "config/setWifiConf", "hook/add")
        for field in make_fields(CATALOGUE.get("camera", path))
    }
    assert controls["zoom"] == "number"
    assert controls["irmode"] == "choice"
    assert controls["rotation"] == "number"  # the vendor may add values
    assert controls["password"] == "password"


def test_what_a_form_sends_is_what_the_endpoint_takes() -> None:
    endpoint = CATALOGUE.get("camera", "config/setWifiConf")
    arguments, _ = read_arguments(endpoint, make_form(ssid=" Shop ", password=""))
    assert arguments == {"ssid": " Shop ", "password": ""}  # an empty password is that of an open network
    assert endpoint.encode(arguments).fields == {"ssid": " Shop ", "password": ""}
    arguments, _ = read_arguments(CATALOGUE.get("camera", "config/setZoom"), make_form(zoom=" 200 "))
    assert arguments == {"zoom": "200"}
    arguments, _ = read_arguments(CATALOGUE.get("camera", "config/setZoom"), make_form(zoom=""))
    assert arguments == {}


def make_endpoint(*parameters: Parameter) -> Endpoint:
    return Endpoint(
        path="config/test", side="camera", title="Test", source="none", scope="pos", parameters=parameters,
        return_codes=camera_codes(0),
    )  # fmt: skip


def test_lists_are_lines_or_boxes() -> None:
    endpoint = make_endpoint(
        Parameter(name="names", type="array", items="string"),
        Parameter(name="levels", type="array", items="int", choices=(Choice(1, "low"), Choice(2, "high"))),
        Parameter(name="things", type="array", items="object"),
        Parameter(name="picture", type="file"),
    )
    form = make_form(names="a b\r\n\r\n c", levels=["1", "2"], things='[{"a": 1}]')
    form.files[f"{PREFIX}picture"] = FilePart("a.png", "image/png", b"x")
    arguments, files = read_arguments(endpoint, form)
    assert arguments == {"names": ["a b", "c"], "levels": [1, 2], "things": '[{"a": 1}]'}
    assert files["picture"].data == b"x"
    endpoint.encode(arguments, files=files)


def test_the_page_shows_values_ranges_and_what_is_wrong_and_no_secret() -> None:
    endpoint = CATALOGUE.get("camera", "config/setZoom")
    with pytest.raises(InvalidRequest) as refused:
        endpoint.encode({"zoom": "501"})
    html = render(
        endpoint, values={"zoom": "501"}, labels={"zoom": "<b>Zoom</b>"}, field_errors=refused.value.field_errors
    )
    assert 'value="501"' in html
    assert 'min="0" max="500"' in html
    assert 'aria-invalid="true"' in html
    assert "must be at most 500, not 501" in html
    assert "&lt;b&gt;Zoom&lt;/b&gt;" in html
    html = render(CATALOGUE.get("camera", "config/setWifiConf"), values={"ssid": '"><script>', "password": "geheim12"})
    assert "<script>" not in html
    assert "geheim12" not in html
    html = render(CATALOGUE.get("camera", "config/setIrMode"), values={"irmode": 2})
    assert '<option value="2" selected>' in html


@pytest.mark.parametrize("endpoint", CATALOGUE.endpoints, ids=lambda one: f"{one.side}/{one.path}")
def test_every_endpoint_has_a_form(endpoint: Endpoint) -> None:
    html = render(endpoint)
    for parameter in endpoint.parameters:
        assert f'name="{PREFIX}{parameter.name}"' in html

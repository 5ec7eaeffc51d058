"""The drawing of stored labels: everything that a picture is made of, apart from the product."""

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo

from firmware_tools.language import message
from gateway.errors import FieldError, InvalidRequest
from gateway.labels.draw import draw_label
from gateway.labels.fonts import Fonts
from gateway.labels.label import DrawnLabel, StaleLabel
from gateway.labels.models import find_label_model
from gateway.labels.picture import LabelPicture
from gateway.labels.product_content import make_content
from gateway.labels.template import TEMPLATE_FOLDER, PictureTemplate
from gateway.labels.template_folder import TemplateFolder
from gateway.products.changes import read_fields

_log = logging.getLogger(__name__)


class LabelDrawing:
    """Draws labels. Every method takes its time."""

    def __init__(self, templates: TemplateFolder, fonts: Callable[[], Fonts], *, zone: tzinfo | None) -> None:
        """Days are those of `zone`, or of this machine."""
        self._templates = templates
        self._fonts = fonts
        self._zone = zone

    def fingerprint(self) -> bytes:
        """Return another value once the font, the zone or the included templates changed: labels may look otherwise."""
        font = self._fonts().path
        parts = [str(self._zone), str(font)]
        if font is not None:
            stat = font.stat()
            parts.append(f"{stat.st_size} {stat.st_mtime_ns}")
        digest = hashlib.sha256("\n".join(parts).encode())
        for path in sorted(TEMPLATE_FOLDER.glob("*.toml")):
            digest.update(path.read_bytes())
        return digest.digest()

    def draw_all(self, stale: Sequence[StaleLabel]) -> tuple[list[DrawnLabel], dict[int, str]]:
        """Return the pictures of labels, and why others have none, by their numbers in the database."""
        fonts = self._fonts()
        drawn: list[DrawnLabel] = []
        problems: dict[int, str] = {}
        for one in stale:
            try:
                picture = self._draw(one, fonts)
            except InvalidRequest as exc:
                problems[one.label.number] = _describe_refusal(exc)
            except Exception as exc:  # one label must not keep all others from being drawn
                _log.exception("label %s cannot be drawn", one.label.name)
                problems[one.label.number] = message("drawing it failed: {reason}", reason=str(exc)[:200])
            else:
                drawn.append(describe_picture(one.label.number, picture, one.valid_until, one.label.changes))
        return drawn, problems

    def preview(self, template: PictureTemplate, model: str, fields: Mapping[str, object]) -> LabelPicture:
        """Return the picture of a product without showing it anywhere. Raises `InvalidRequest`."""
        return draw_label(template, find_label_model(model), make_content(fields, zone=self._zone), self._fonts())

    def _draw(self, one: StaleLabel, fonts: Fonts) -> LabelPicture:
        fields = None if one.wanted is None else read_fields(one.wanted)
        if fields is None:
            reason = message("no list has the product {product_id!r}", product_id=one.label.product_id)
            raise InvalidRequest([FieldError("product_id", reason)])
        content = make_content(fields, zone=self._zone, valid_from=one.valid_from, valid_until=one.valid_until)
        return draw_label(self._templates.find(one.label.template), find_label_model(one.label.model), content, fonts)


def describe_picture(number: int, picture: LabelPicture, valid_until: int | None, changes: int) -> DrawnLabel:
    """Return a picture as it is stored for the label with this number in the database."""
    reports = [{"code": one.code, "box": one.box, "message": one.message} for one in picture.reports]
    return DrawnLabel(number, picture.png, picture.pixel_hash, valid_until, reports, changes)


def _describe_refusal(refusal: InvalidRequest) -> str:
    """Return why a label cannot be drawn. What it shows needs no name of a parameter, a box of its template does."""
    is_clear = refusal.field_errors and refusal.field_errors[0].parameter in ("product_id", "template", "model")
    return refusal.field_errors[0].reason if is_clear else refusal.detail

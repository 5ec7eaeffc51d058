"""Binding a shelf label to a product, and changing what a label shows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from firmware_tools.language import Message, message
from gateway.api.changes import name_object
from gateway.app import Gateway
from gateway.console.activation_code import can_decode, read_codes
from gateway.console.form import Form
from gateway.console.label_texts import ShownLabel
from gateway.console.page import ConsolePage, PageContext
from gateway.errors import FieldError, InvalidRequest, Problem
from gateway.labels.label_name import check_label_name, fold_label_name, is_label_code
from gateway.labels.models import LABEL_MODELS
from gateway.products.product_table import StoredProduct

MAX_CHOICES: Final = 20
"""How many products that fit a search are offered."""
_MAX_TEXT: Final = 255
_DEFAULT_TEMPLATE: Final = "price"
_WORD: Final = re.compile(r"[0-9A-Za-z]+")


@dataclass(frozen=True, slots=True)
class LabelAnswers:
    """What a person has filled in."""

    label: str = ""
    """The code of the label."""
    product: str = ""
    """Number, name or bar code of the product."""
    template: str = _DEFAULT_TEMPLATE
    """The template."""
    model: str = ""
    """The model; empty: as the cloud says it."""


async def show_form(context: PageContext) -> web.StreamResponse:
    """Ask for a label and its product; `label` or `product` of the query are filled in."""
    query = context.request.query
    answers = LabelAnswers(query.get("label", "")[:_MAX_TEXT], query.get("product", "")[:_MAX_TEXT])
    label = await context.gateway.labels.table.get(fold_label_name(answers.label)) if answers.label else None
    if label is not None:
        answers = LabelAnswers(
            ShownLabel(label).title,
            answers.product or label.product_id,
            label.template or _DEFAULT_TEMPLATE,
            label.model,
        )
    return await _ask(context, answers)


async def bind_label(context: PageContext) -> web.StreamResponse:
    """Have the label show the product."""
    form = await context.read_form()
    answers = LabelAnswers(*(form.text(name)[:_MAX_TEXT] for name in ("label", "product", "template", "model")))
    if "photo" in form.files and (form.text("action") == "read" or not answers.label):
        return await _read_photo(context, form, answers)
    faults: list[FieldError] = []
    try:
        name = check_label_name(answers.label)
    except InvalidRequest as exc:
        faults += [FieldError("label", error.reason) for error in exc.field_errors]
    products = await find_products(context.gateway, answers.product, _read_choice(form, answers))
    if len(products) != 1:
        faults.append(FieldError("product", describe_choice(answers.product, products)))
    if faults:
        return await _ask(context, answers, InvalidRequest(faults), products)
    try:
        label = await context.gateway.labels.updater.show_product(
            name, product_id=products[0].product_id, template=answers.template, model=answers.model
        )
    except Problem as exc:
        return await _ask(context, answers, exc)
    shown = ShownLabel(label)
    name_object(context.request, shown.title)
    text = message("The label shows {product} from now on.", product=products[0].name or products[0].product_id)
    return context.redirect(shown.address, notice=text)


async def _read_photo(context: PageContext, form: Form, answers: LabelAnswers) -> web.Response:
    try:
        code = _choose_code(await read_codes(form.files["photo"].data, turn=context.site.photo_turn))
        if code is None:
            reason = message("No code of a label can be read in the picture: take it closer and sharper, or type it.")
            raise InvalidRequest([FieldError("photo", reason)])
    except InvalidRequest as exc:
        return await _ask(context, answers, exc)
    notice = message("The picture shows {code}. Compare it with the label.", code=code)
    return await _ask(context, replace(answers, label=code), notice=notice)


def _choose_code(texts: Iterable[str]) -> str | None:
    """Return what is most likely the code of a label: a bar code of eight digits may be that of the product on it."""
    codes = [fold_label_name(word) for text in texts for word in _WORD.findall(text) if is_label_code(word)]
    return min(codes, key=str.isdecimal, default=None)


def _read_choice(form: Form, answers: LabelAnswers) -> str:
    """Return the product that was chosen among those that fit; empty if the search was changed since."""
    return form.text("choice")[:_MAX_TEXT] if form.text("searched") == answers.product else ""


async def find_products(gateway: Gateway, words: str, choice: str = "") -> list[StoredProduct]:
    """Return the product that is meant, or all that may be, one more than are offered at most.

    `words` are its number, its bar code, or a part of its name; `choice` is the number of one that was offered.
    """
    table = gateway.products.table
    for product_id in (choice, words):
        if product_id and (product := await table.get(product_id)) is not None and product.wanted is not None:
            return [product]
    if not words:
        return []
    found = [one for one in (await table.search(words, limit=5 * MAX_CHOICES))[0] if one.wanted is not None]
    exact = [one for one in found if (one.wanted or {}).get("bar_code") == words]
    return exact if len(exact) == 1 else found[: MAX_CHOICES + 1]


def describe_choice(words: str, products: list[StoredProduct]) -> Message:
    """Return why it is not clear which product is meant."""
    if not words:
        return message("is required")
    if not products:
        return message("No list has a product with this number, name or bar code.")
    return message("Several products are like that. Choose one of them.")


async def _ask(
    context: PageContext,
    answers: LabelAnswers,
    problem: Problem | None = None,
    products: list[StoredProduct] | None = None,
    notice: str = "",
) -> web.Response:
    labels = context.gateway.labels
    label = await labels.table.get(fold_label_name(answers.label)) if answers.label else None
    product = None if label is None else await context.gateway.products.table.get(label.product_id)
    templates, _ = labels.templates.load()
    field_errors: Mapping[str, str] = dict(problem.field_errors) if isinstance(problem, InvalidRequest) else {}
    choices = products or []
    return context.render(
        "label_form.html",
        status=200 if problem is None else problem.status,
        answers=answers,
        known=None if label is None else ShownLabel(label, product),
        choices=choices[:MAX_CHOICES] if len(choices) > 1 else [],
        has_more=len(choices) > MAX_CHOICES,
        templates=templates.values(),
        models=LABEL_MODELS.values(),
        can_decode=can_decode(),
        problem=problem if not field_errors else None,
        field_errors=field_errors,
        notice=notice,
    )


PAGES = (
    ConsolePage("GET", "labels/bind", show_form, "pos"),
    ConsolePage("POST", "labels/bind", bind_label, "pos", does=message("Bind a shelf label to a product")),
)

"""The settings of a circle of shops as its page shows them: in words, what holds and why, and what shops say of it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, get_origin

from firmware_tools.language import Message, message
from gateway.desired_settings import PUSHABLE, PushableSetting
from gateway.fleet.documents import DesiredOutcome
from gateway.fleet.part_names import setting_part
from gateway.fleet.subjects import CHAIN_KEY, group_key, shop_key
from gateway.list_settings import show_list_example
from gateway.office.desired import DesiredBucket, DesiredDocument, Wanted, find_wanted, list_parts
from gateway.office.natural_order import natural_key
from gateway.office.rollout_targets import belongs_to
from gateway.office.shop_facts import ShopFacts
from gateway.office.shops import ShopList
from gateway.office_site.desired_parts import make_target
from gateway.office_site.model_form import ModelField, make_field, write_value
from gateway.setting_texts import SECTION_TEXTS, SETTING_TEXTS
from gateway.settings import Settings

MAX_NAMED: Final = 5
"""How many of the shops that do not have a setting are named."""
_UNITS: Final[Mapping[str, Message]] = {"_s": message("In seconds."), "_bytes": message("In bytes.")}
"""The unit of a number, by the end of its key."""


class ShopAnswer(NamedTuple):
    """What a shop says of a setting that it did not just apply."""

    shop: str
    """Its name."""
    outcome: DesiredOutcome
    """What became of it there."""
    reason: str
    """Why, as the shop says it."""


class SettingRow(NamedTuple):
    """A setting as the page shows it."""

    field: ModelField
    """The field of the form."""
    setting: str
    """Section and key."""
    notes: Sequence[Message]
    """How its value is written."""
    delivered: str
    """Its value as delivered; empty for none."""
    own: bool
    """Whether this circle has a value of its own, which wins over those of wider ones."""
    wider: Wanted | None
    """What is wanted of a wider circle; None if nothing is."""
    answered: int
    """How many shops have applied what is wanted."""
    silent: int
    """How many shops have not answered yet."""
    others: Sequence[ShopAnswer]
    """What the others say; not all of them, if there are many."""
    more: int
    """How many further ones there are."""


class SettingSection(NamedTuple):
    """The settings of a section."""

    title: Message
    """What people call it."""
    rows: Sequence[SettingRow]
    """Its settings."""


class _Circle(NamedTuple):
    """A circle of shops, and what is wanted of it."""

    key: str
    """The key of its document."""
    parts: Mapping[str, Any]
    """What its own document has."""
    wider: Mapping[str, Wanted]
    """What wider circles have, by part: the narrowest of them."""
    revisions: Mapping[str, int]
    """The revisions of all these documents, by key."""
    shops: Sequence[ShopFacts]
    """Its shops that have joined."""


async def list_sections(
    bucket: DesiredBucket,
    shops: ShopList,
    document: DesiredDocument,
    *,
    typed: Mapping[str, str] | None,
    errors: Mapping[str, str],
) -> list[SettingSection]:
    """Return all settings of a circle; with what a person has typed, if that was wrong.

    Raises `HeadOfficeUnavailable`.
    """
    circle = await _read_circle(bucket, shops, document)
    sections: dict[str, list[SettingRow]] = {}
    for name, setting in PUSHABLE.items():
        row = _make_row(circle, setting, None if typed is None else typed.get(name, ""), errors.get(name, ""))
        sections.setdefault(setting.section, []).append(row)
    return [SettingSection(SECTION_TEXTS[section], rows) for section, rows in sections.items()]


async def _read_circle(bucket: DesiredBucket, shops: ShopList, document: DesiredDocument) -> _Circle:
    kind, _, name = document.key.partition(".")
    record = shops.get(name).record if kind == "shop" else None
    groups = () if record is None else record.groups
    keys = [] if document.key == CHAIN_KEY else [CHAIN_KEY, *map(group_key, groups)]
    read = await bucket.read(keys) if keys else {}
    target = make_target(document.key)
    return _Circle(
        document.key,
        list_parts(document.document),
        find_wanted({key: one.document for key, one in read.items()}, groups, shop_key("")),
        {key: one.revision for key, one in read.items()} | {document.key: document.revision},
        sorted((one for one in shops if belongs_to(target, one)), key=lambda one: natural_key(one.shop)),
    )


def _make_row(circle: _Circle, setting: PushableSetting, typed: str | None, error: str) -> SettingRow:
    model = type(getattr(Settings(), setting.section))
    field, part = model.model_fields[setting.key], setting_part(setting.name)
    is_own = part in circle.parts
    made = make_field(
        setting.name,
        field,
        label=SETTING_TEXTS[setting.name].label,
        help_text=SETTING_TEXTS[setting.name].help,
        value=write_value(circle.parts.get(part)) if typed is None else typed,
        error=error,
        is_optional=True,
    )
    notes = [text for end, text in _UNITS.items() if setting.key.endswith(end)]
    if get_origin(field.annotation) is list:
        notes.append(message("A list as JSON, such as {example}.", example=show_list_example(field)))
    wider = circle.wider.get(part)
    counts: Counter[str] = Counter()
    others: list[ShopAnswer] = []
    source = circle.key if is_own else "" if wider is None else wider.key
    for facts in circle.shops if source else ():
        if (answer := facts.answers.get(part)) is not None:
            others.append(ShopAnswer(facts.shop, answer.outcome, answer.reason))
        else:
            counts["answered" if facts.revisions.get(source, -1) >= circle.revisions[source] else "silent"] += 1
    delivered = write_value(field.get_default(call_default_factory=True))
    named, more = others[:MAX_NAMED], len(others[MAX_NAMED:])
    return SettingRow(
        made, setting.name, notes, delivered, is_own, wider, counts["answered"], counts["silent"], named, more
    )

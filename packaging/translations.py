"""Brings the catalogues of translations up to date: `translations.py`, or `translations.py --check`.

Extracts every text that is marked for translation, keeps the translations that there are, drops those of texts that are
gone, and compiles the catalogues. With `--check`, writes nothing. Prints what is wrong, as a text without a
translation, and ends with status 1 then. Runs in the environment of the tests.
"""

import ast
import inspect
import string
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import click  # noqa: F401  its texts are translated too
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from gateway.api.docs.translated_texts import list_reference_texts
from gateway.office_site.translated_texts import list_office_texts
from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.parameters import Parameter

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = Path("locale/zh/LC_MESSAGES")
PYTHON_KEYWORDS: Final[dict[str, Any]] = {"message": None, "template": None, "count_message": (1, 2)}
TEMPLATE_KEYWORDS: Final[dict[str, Any]] = {"_": None, "gettext": None, "ngettext": (1, 2)}
TEMPLATE_OPTIONS: Final = {"silent": "false", "trimmed": "true", "newstyle_gettext": "true"}
"""As the console sets up Jinja: white space around the lines of a text does not count."""


@dataclass(frozen=True)
class Domain:
    """A catalogue, and the files whose texts it has."""

    package: str
    """The package whose folder `locale` has the catalogue."""
    name: str
    """The name of the files of the catalogue."""
    pattern: str
    """Which files of the package have the texts."""
    method: str
    """How Babel reads them."""
    keywords: dict[str, Any]
    """The functions that mark a text."""
    options: dict[str, str]
    """Options of the method."""
    is_foreign: bool = False
    """Whether the texts are those of an installed library: another version of it may lack or add some."""

    @property
    def catalogue(self) -> Path:
        """The catalogue for people."""
        package = "firmware_tools" if self.is_foreign else self.package
        return ROOT / package / FOLDER / f"{self.name}.po"

    @property
    def source(self) -> Path:
        """The folder of the package."""
        return Path(sys.modules[self.package].__path__[0]) if self.is_foreign else ROOT / self.package

    def extract(self) -> set[str | tuple[str, str]]:
        """Return the marked texts; of one that depends on a number, the singular and the plural."""
        texts = set()
        for file in sorted(self.source.glob(self.pattern)):
            with file.open("rb") as stream:
                for _, text, _, _ in extract(self.method, stream, self.keywords, options=self.options):
                    texts.add(text)
            if self.method == "python" and "/cli/" in file.as_posix():
                texts |= extract_help(file)
        return texts


class ReferenceDomain(Domain):
    """The catalogue of the API reference: what its templates mark, and what it shows of the gateway's own calls."""

    def extract(self) -> set[str | tuple[str, str]]:
        """Return the marked texts, and those of the document."""
        return super().extract() | list_reference_texts()


class OfficeDomain(Domain):
    """The catalogue of the head office: what its templates mark, and what it shows of declarations."""

    def extract(self) -> set[str | tuple[str, str]]:
        """Return the marked texts, and those of its API and of commands."""
        return super().extract() | set(list_office_texts())


class VendorDomain(Domain):
    """The catalogue of what the vendor's endpoints, values and return codes mean."""

    def extract(self) -> set[str | tuple[str, str]]:
        """Return the texts of the endpoints' declarations that people see."""
        texts: set[str | tuple[str, str]] = set()
        for endpoint in CATALOGUE.endpoints:
            texts |= {endpoint.title, *(code.meaning for code in endpoint.return_codes)}
            texts |= set(_list_choices(endpoint.parameters))
            if endpoint.relay is not None:
                texts |= {one.meaning for one in endpoint.relay.result_lists.values()}
        return texts


def _list_choices(parameters: Iterable[Parameter]) -> Iterator[str]:
    for parameter in parameters:
        yield from (choice.meaning for choice in parameter.choices)
        yield from _list_choices(parameter.properties)


def extract_help(file: Path) -> set[str]:
    """Return the help of the commands that are declared in a file, and of their options."""
    texts: set[str | None] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                decorators = [one.func for one in node.decorator_list if isinstance(one, ast.Call)]
                if any(isinstance(one, ast.Attribute) and one.attr in ("command", "group") for one in decorators):
                    texts.add(ast.get_docstring(node))
            case ast.Call(func=ast.Attribute(attr="option")):
                for keyword in node.keywords:
                    if keyword.arg == "help" and isinstance(keyword.value, ast.Constant):
                        texts.add(inspect.cleandoc(keyword.value.value))
    return {text for text in texts if text}


DOMAINS: Final = (
    Domain("firmware_tools", "firmware_tools", "**/*.py", "python", PYTHON_KEYWORDS, {}),
    Domain("gateway", "gateway", "**/*.py", "python", PYTHON_KEYWORDS, {}),
    Domain("click", "click", "*.py", "python", {"_": None, "ngettext": (1, 2)}, {}, is_foreign=True),
    Domain("gateway", "console", "console/templates/**/*.*", "jinja2", TEMPLATE_KEYWORDS, TEMPLATE_OPTIONS),
    OfficeDomain("gateway", "office", "office_site/templates/*.html", "jinja2", TEMPLATE_KEYWORDS, TEMPLATE_OPTIONS),
    Domain("gateway", "sheet", "shop/templates/*.html", "jinja2", TEMPLATE_KEYWORDS, TEMPLATE_OPTIONS),
    VendorDomain("gateway", "vendor", "", "", {}, {}),
    ReferenceDomain("gateway", "reference", "api/docs/templates/*.html", "jinja2", TEMPLATE_KEYWORDS, TEMPLATE_OPTIONS),
)


class Translations(Catalog):
    """A catalogue whose header says nothing that changes with time or version."""

    mime_headers = [  # noqa: RUF012  a property of the base class
        ("Language", "zh_Hans"),
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Transfer-Encoding", "8bit"),
        ("Plural-Forms", "nplurals=1; plural=0;"),
    ]


def update(domain: Domain) -> Translations:
    """Return the catalogue of what is marked now, with the translations that there are."""
    known = Catalog()
    if domain.catalogue.exists():
        with domain.catalogue.open("rb") as stream:
            known = read_po(stream, locale="zh")
    updated = Translations(
        "zh", header_comment="# Simplified Chinese. Sorted by packaging/translations.py.", fuzzy=False
    )
    texts = domain.extract()
    if domain.is_foreign:
        texts |= {entry.id for entry in known if entry.id}
    for text in texts:
        before = known.get(text if isinstance(text, str) else text[0])
        comments = before.user_comments if before else ()
        flags = before.flags & {"fuzzy"} if before else ()
        updated.add(text, before.string if before else "", user_comments=comments, flags=flags)
    return updated


def format_po(catalogue: Catalog) -> bytes:
    """Return the catalogue for people, in an order in which additions rarely meet."""
    stream = BytesIO()
    write_po(stream, catalogue, width=120, sort_output=True, no_location=True, ignore_obsolete=True)
    return stream.getvalue()


def compile_mo(catalogue: Catalog) -> bytes:
    """Return the catalogue for `gettext`."""
    stream = BytesIO()
    write_mo(stream, catalogue)
    return stream.getvalue()


def find_fields(text: str) -> set[str]:
    """Return the placeholders of a text: `{name}` with its conversion and format, and `%(name)s`."""
    fields = {f"%({part.partition(')')[0]})" for part in text.split("%(")[1:]}
    try:
        parts = [*string.Formatter().parse(text)]
    except ValueError as exc:
        return {f"cannot be read: {exc}"}
    return fields | {f"{name}!{conversion}:{spec}" for _, name, spec, conversion in parts if name is not None}


def find_problems(catalogue: Catalog) -> Iterator[str]:
    """Yield what is wrong with the translations."""
    for entry in catalogue:
        if not entry.id:
            continue
        yield from (f"{entry.id!r}: {problem}" for problem in _find_entry_problems(entry))


def _find_entry_problems(entry: Message) -> Iterator[str]:
    texts = [entry.id] if isinstance(entry.id, str) else [*entry.id]
    translations = [entry.string] if isinstance(entry.string, str) else [*entry.string]
    if not all(translations):
        yield "has no translation"
    elif entry.fuzzy:
        yield "has a translation that is marked as fuzzy"
    elif any(find_fields(one) != find_fields(texts[-1]) for one in translations):
        yield f"has other placeholders than {translations!r}"


def find_contradictions(catalogues: Mapping[str, Catalog]) -> Iterator[str]:
    """Yield the texts that catalogues, by name, translate differently: all are loaded as one, and one of them wins."""
    known: dict[str, tuple[str, str | tuple[str, ...]]] = {}
    for name, catalogue in catalogues.items():
        for entry in catalogue:
            text = entry.id if isinstance(entry.id, str) else entry.id[0]
            other, translation = known.setdefault(text, (name, entry.string))
            if text and translation != entry.string:
                yield (
                    f"{name}: {text!r}: {other} translates it {translation!r}, and not {entry.string!r}: translate it "
                    "alike, or give texts that mean different things different words"
                )


def main(*, check: bool) -> int:
    """Update or check the catalogues, print what is wrong, and return the exit status."""
    problems = []
    catalogues: dict[str, Catalog] = {}
    for domain in DOMAINS:
        catalogue = catalogues[domain.name] = update(domain)
        problems += [f"{domain.name}: {problem}" for problem in find_problems(catalogue)]
        contents = {
            domain.catalogue: format_po(catalogue),
            domain.catalogue.with_suffix(".mo"): compile_mo(catalogue),
        }
        for file, content in contents.items():
            if not check:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(content)
            elif not file.exists() or file.read_bytes() != content:
                problems.append(f"{file.relative_to(ROOT)} is stale: run packaging/translations.py")
    problems += find_contradictions(catalogues)
    sys.stdout.write("".join(f"{problem}\n" for problem in problems))
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(check="--check" in sys.argv[1:]))

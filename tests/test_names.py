"""One name for one thing: public classes have one meaning in the whole repository, and files stay short."""

import re
from collections import defaultdict
from pathlib import Path

from tests.each import for_each

ROOT = Path(__file__).parent.parent
FILES = sorted([*ROOT.glob("gateway/**/*.py"), *ROOT.glob("firmware_tools/**/*.py")])
MAX_LINES = 400
CLASS = re.compile(r"^ *class ([A-Za-z]\w*)(?=[(:\[])", re.MULTILINE)


def test_a_public_class_name_means_one_thing() -> None:
    places: defaultdict[str, list[str]] = defaultdict(list)
    for file in FILES:
        for name in CLASS.findall(file.read_text(encoding="utf-8")):
            places[name].append(str(file.relative_to(ROOT)))
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


@for_each(FILES)
def test_a_file_is_short_enough_to_be_read_at_once(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= MAX_LINES

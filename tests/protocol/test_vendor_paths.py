"""Every path that the vendor's documents print is in the catalogue.

The paths were read from the documents once and are kept in `vendor_paths.json`. Where VENDOR_DOCUMENTS names the folder
that holds the documents as text files, they are read from there as well.
"""

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from gateway.protocol.catalogue import CATALOGUE

MISPRINTED_PATHS = {
    "fact/group/getList": "face/group/getList",
    "fact/group/getFaceList": "face/group/getFaceList",
}
"""Headings that contradict the list of endpoints and their own sample (NOTES: Misprints)."""

MISPRINTED_SAMPLES = {
    "device/reboot": "device/reset",
    "config/getRotationAngles": "config/getRotation",
}
"""Camera endpoints whose sample posts to another one (NOTES: Reboot path; Rotation)."""

LISTED_ONLY = {"face/updatePictureModify the attribute information of a specified face image": "face/updatePicture"}
"""Lines of a list that nothing else describes; the path runs into its description (NOTES: Availability)."""

_CAMERA_LINK = re.compile(r"https://192\.168\.0\.1/openapi/([A-Za-z/]+),")
_CAMERA_SAMPLE = re.compile(r"^POST\s/openapi/([A-Za-z/]+)\sHTTP", re.MULTILINE)
_CLOUD_LINK = re.compile(r"(?:Request link|Interface request|Interface link|API address): ?/([A-Za-z/]+)")
_CLOUD_SAMPLE = re.compile(r'"url": "https://store\.uat\.sunmi\.com/openapi/([A-Za-z/]+)"')
_LISTED = re.compile(r"^/([a-z]+/.+?)\s*$", re.MULTILINE)
_DESCRIPTION = re.compile(r"[A-Z]?[a-z]+ ")


def read_documents(folder: Path) -> dict[str, Any]:
    """Read the paths: of cameras (each with its sample's), of the cloud, and what is listed without a description."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in sorted(folder.glob("*.txt")))
    camera = dict(zip(_CAMERA_LINK.findall(text), _CAMERA_SAMPLE.findall(text), strict=True))
    cloud = {*_CLOUD_LINK.findall(text), *_CLOUD_SAMPLE.findall(text)}
    listed_only = {line for line in _LISTED.findall(text) if not _begins_with_a_path(line, cloud)}
    return {"camera": camera, "cloud": sorted(cloud), "listed_only": sorted(listed_only)}


def _begins_with_a_path(line: str, paths: set[str]) -> bool:
    """Tell whether a line of a list is a known path with its description run into it."""
    return any(line.startswith(path) and _DESCRIPTION.match(line[len(path) :]) for path in paths)


def sources() -> dict[str, dict[str, Any]]:
    found = {"kept": json.loads((Path(__file__).parent / "vendor_paths.json").read_text(encoding="utf-8"))}
    folder = os.environ.get("VENDOR_DOCUMENTS")
    if folder:
        found["documents"] = read_documents(Path(folder))
    return found


SOURCES = sources()


@pytest.mark.parametrize("source", SOURCES)
def test_the_cameras_paths(source: str) -> None:
    printed = SOURCES[source]["camera"]
    assert set(printed) <= {endpoint.path for endpoint in CATALOGUE.list_endpoints("camera")}
    assert {path: sample for path, sample in printed.items() if path != sample} == MISPRINTED_SAMPLES


@pytest.mark.parametrize("source", SOURCES)
def test_the_clouds_paths(source: str) -> None:
    printed = SOURCES[source]
    assert set(MISPRINTED_PATHS) <= set(printed["cloud"])
    assert set(LISTED_ONLY) == set(printed["listed_only"])
    meant = {MISPRINTED_PATHS.get(path, path) for path in printed["cloud"]} | set(LISTED_ONLY.values())
    assert meant <= {endpoint.path for endpoint in CATALOGUE.list_endpoints("cloud")}


@pytest.mark.parametrize("source", SOURCES)
def test_what_is_kept_is_what_the_documents_print(source: str) -> None:
    assert SOURCES[source] == SOURCES["kept"]

"""Pictures of shelf labels: what the cloud refuses, and how access points bring the others to their labels."""

import hashlib
import io
from collections import Counter
from typing import Final

from gateway.protocol.catalogue.cloud_labels import PICTURE_FORMATS
from gateway.simulator.cloud_state import LabelAccessPoint, ShelfLabel, SimulatedShop
from gateway.simulator.faults import FaultInjection
from gateway.simulator.validation import CallRefused

PUSHED: Final = 3
FAILED: Final = 4
_INVALID_FILE: Final = 5005
_FORMATS: Final = ("PNG", "JPEG", "GIF", "BMP")
_COLOURS: Final = {"white": (255, 255, 255), "black": (0, 0, 0), "red": (255, 0, 0)}
"""The colours in the order of their numbers."""


def hash_pixels(picture: bytes, model: str) -> str:
    """Return SHA-256 of a picture's size and pixels (0 white, 1 black, 2 red), however the file packs them.

    Raises `CallRefused` for a picture that a label of this model does not show. The documents do not say what a model
    shows that their table lacks (SL121+): it takes what any of the others does.
    """
    from PIL import Image  # only who pushes a picture needs Pillow

    try:
        with Image.open(io.BytesIO(picture), formats=_FORMATS) as file:
            image = file.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as exc:
        raise CallRefused(_INVALID_FILE) from exc
    candidates = [one for one in PICTURE_FORMATS if one.model == model] or PICTURE_FORMATS
    colours = {name for one in candidates if (one.width, one.height) == image.size for name in one.colours}
    allowed = {rgb for name, rgb in _COLOURS.items() if name in colours}
    used = image.getcolors(maxcolors=len(_COLOURS))
    if used is None or any(colour not in allowed for _, colour in used):
        raise CallRefused(_INVALID_FILE)
    palette = Image.new("P", (1, 1))
    palette.putpalette(bytes(part for rgb in _COLOURS.values() for part in rgb))
    pixels = image.quantize(palette=palette, dither=Image.Dither.NONE).tobytes()
    return hashlib.sha256(f"{image.width}x{image.height} ".encode() + pixels).hexdigest()


def is_online(access_point: LabelAccessPoint, faults: FaultInjection) -> bool:
    """Return whether an access point has contact to the cloud."""
    return access_point.online and not faults.access_points_offline


def deliver_pictures(shop: SimulatedShop, faults: FaultInjection, now: float) -> None:
    """Bring the waiting pictures to their labels, as far as the shop's access points have come by now.

    Each access point serves its labels one after the other. What is out of reach waits, and begins to count again when
    the first call finds it back.
    """
    _assign_access_points(shop)
    for access_point in shop.access_points.values():
        if is_online(access_point, faults):
            access_point.connect_time = int(now)
    for esl_id, since in list(shop.waiting_labels.items()):
        label = shop.labels[esl_id]
        serving = shop.access_points.get(label.ap_id)
        if label.away or serving is None or not is_online(serving, faults):
            shop.waiting_labels[esl_id] = None
            continue
        if since is None:
            # At the end, so that each access point has its labels in the order in which it can begin.
            del shop.waiting_labels[esl_id]
            shop.waiting_labels[esl_id] = since = now
        done = max(serving.free_from, since + faults.label_delay_s) + faults.label_s
        if done <= now:
            serving.free_from = done
            del shop.waiting_labels[esl_id]
            _show(label, faults, done)


def _assign_access_points(shop: SimulatedShop) -> None:
    """Give each label without an access point the one that has the fewest labels."""
    without = [label for label in shop.labels.values() if label.ap_id not in shop.access_points]
    if without and shop.access_points:
        counts = Counter(dict.fromkeys(shop.access_points, 0))
        counts.update(label.ap_id for label in shop.labels.values() if label.ap_id in counts)
        for label in without:
            label.ap_id = min(counts, key=lambda ap_id: counts[ap_id])
            counts[label.ap_id] += 1


def _show(label: ShelfLabel, faults: FaultInjection, now: float) -> None:
    label.connect_time = int(now)
    if label.failures or faults.label_failures:
        if label.failures:
            label.failures -= 1
        else:
            faults.label_failures -= 1
        label.status = FAILED
        return
    label.status = PUSHED
    label.shown_picture, label.shown_hash = label.picture, label.picture_hash

"""The ten endpoints of the cloud that count customers."""

from typing import Final

from gateway.protocol.catalogue import CATALOGUE
from gateway.protocol.endpoint import Endpoint


def _find(name: str) -> Endpoint:
    return CATALOGUE.get("cloud", f"passengerFlow/stat/{name}")


TODAY_LATEST: Final = _find("today/getLatest")
TODAY_TAGS: Final = _find("today/groupByTag")
TODAY_GENDERS: Final = _find("today/groupByGender")
TODAY_HOURS: Final = _find("today/getTrendByHour")
TODAY: Final = (TODAY_LATEST, TODAY_TAGS, TODAY_GENDERS, TODAY_HOURS)

TOTALS: Final = _find("history/groupByTag")
GENDERS: Final = _find("history/groupByGender")
HOURS: Final = _find("history/getTrendByHour")
DAYS: Final = _find("history/getTrendByDay")
WEEKS: Final = _find("history/getTrendByWeek")
MONTHS: Final = _find("history/getTrendByMonth")

"""How much is wanted of each circle of shops, in memory: thousands of documents are not read again for each page."""

from gateway.fleet.subjects import DESIRED, bucket_stream, shop_key
from gateway.office.bucket import Bucket, Entry
from gateway.office.desired import list_parts, read_entry
from gateway.office.natural_order import natural_key
from gateway.office.office import Office, translated


class DesiredSizes:
    """How many parts each document has, as of the last `refresh`, which reads what has changed since the one before."""

    def __init__(self, office: Office) -> None:
        """Take the connection; nothing is read before `refresh`."""
        self._office = office
        self._bucket = Bucket(office, DESIRED)
        self._sizes: dict[str, int] = {}
        self._follower = self._bucket.follow()

    async def refresh(self) -> None:
        """Read what has changed. Raises `HeadOfficeUnavailable`."""
        await self._read_changes()
        with translated(self._office.folder):
            info = await self._office.read(lambda jetstream: jetstream.stream_info(bucket_stream(DESIRED)))
        if info.state.messages != len(self._sizes):  # a shop was retired: its document is gone without a trace
            self._follower = self._bucket.follow()
            await self._read_changes()

    def __getitem__(self, key: str) -> int:
        """How many parts the document with a key has."""
        return self._sizes.get(key, 0)

    def shops(self) -> list[str]:
        """Return the shops with a document of their own that has parts, sorted."""
        prefix = shop_key("")
        own = [key.removeprefix(prefix) for key, size in self._sizes.items() if size and key.startswith(prefix)]
        return sorted(own, key=natural_key)

    async def _read_changes(self) -> None:
        known = await self._follower.read(self._take)
        if known is not None:
            self._sizes = {key: size for key, size in self._sizes.items() if key in known}

    def _take(self, entry: Entry) -> None:
        self._sizes[entry.key] = len(list_parts(read_entry(entry.key, entry).document))

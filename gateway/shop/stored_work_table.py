"""Whether there is anything of the shop's set-up to go on with. Most gateways have long been set up."""

from gateway.storage.database import Database


async def has_stored_work(database: Database) -> bool:
    """Tell whether a site plan or a demonstration is stored. Raises `StateError`."""
    rows = await database.read("SELECT EXISTS (SELECT 1 FROM site_plan) OR EXISTS (SELECT 1 FROM demonstration)")
    return bool(rows[0][0])

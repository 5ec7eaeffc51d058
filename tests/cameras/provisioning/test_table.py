from collections.abc import Callable

from gateway.cameras.provisioning.table import ProvisioningJobTable
from gateway.storage.database import Database

SECRET = "Sesam-oeffne-dich-0815"


async def test_jobs_survive_a_restart(database: Database) -> None:
    jobs = ProvisioningJobTable(database)
    state = {"step": "wifi", "ssid": "Café \ud800", "tries": 2, "done": ["reach"], "reason": None}
    await jobs.save("SS1", {"step": "reach"})
    await jobs.save("SS1", state)
    await jobs.save("FS2", {})
    assert await ProvisioningJobTable(database).load_all() == {"SS1": state, "FS2": {}}
    await jobs.delete("SS1")
    await jobs.delete("SS1")
    assert await jobs.load_all() == {"FS2": {}}


async def test_secrets_are_in_no_file_once_the_job_has_ended(
    database: Database, file_bytes: Callable[[], dict[str, bytes]]
) -> None:
    jobs = ProvisioningJobTable(database)
    for sn in ("SS1", "SS2"):
        await jobs.save(sn, {"password": SECRET, "padding": "x" * 20_000, "number": SECRET})
    assert SECRET.encode() in b"".join(file_bytes().values())
    await jobs.save("SS1", {"state": "failed"})
    await jobs.delete("SS2")
    assert SECRET.encode() not in b"".join(file_bytes().values())
    assert await jobs.load_all() == {"SS1": {"state": "failed"}}

"""The accounts of the outbox: the current one, and items that are held because they belong to another."""

from collections.abc import Sequence
from functools import partial
from typing import Self

from gateway.outbox import account_table
from gateway.outbox.account import Account
from gateway.protocol.endpoint import Call
from gateway.storage.database import Database


class Accounts:
    """The account of the settings, and those of earlier settings; made by `open`."""

    def __init__(self, database: Database, account: Account, current: account_table.CurrentAccount) -> None:
        self.current = account
        """The account of the settings: only its items are sent."""
        self.number = current.number
        """Its number in the database."""
        self._proved = current.proved
        self._database = database

    @classmethod
    async def open(cls, database: Database, account: Account) -> Self:
        """Make the account of the settings the current one. Raises `StateError`."""
        current = await database.transact(partial(account_table.open_account, account=account))
        return cls(database, account, current)

    def is_proved_by(self, call: Call) -> bool:
        """Tell whether it is news that the cloud accepted a call: one for the account's own shop."""
        named = {name: call.fields[name] for name in self.current.shop if call.fields.get(name)}
        return not self._proved and bool(named) and named.items() <= self.current.shop.items()

    async def prove(self) -> None:
        """Note that the cloud accepted a call for the shop. Raises `StateError`."""
        await self._database.transact(partial(account_table.prove, number=self.number))
        self._proved = True

    async def held(self) -> Sequence[account_table.HeldItems]:
        """Return how many items wait for each other account. Raises `StateError`."""
        return await self._database.inspect(partial(account_table.count_held, current=self.number))

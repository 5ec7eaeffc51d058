"""The accounts of the outbox: the current one, and items that are held because they belong to another."""

from collections.abc import Sequence
from functools import partial
from typing import Self

from gateway.outbox import account_table
from gateway.outbox.account import Account
from gateway.outbox.account_table import CurrentAccount, Proof
from gateway.protocol.endpoint import Call
from gateway.storage.database import Database


class Accounts:
    """The account of the settings, and those of earlier settings; made by `open`."""

    def __init__(self, database: Database, stored: CurrentAccount) -> None:
        self.stored = stored
        """The account of the settings, as the database knows it: only its items are sent."""
        self._database = database

    @classmethod
    async def open(cls, database: Database, account: Account) -> Self:
        """Make the account of the settings the current one. Raises `StateError`."""
        return cls(database, await database.transact(partial(account_table.open_account, account=account)))

    @property
    def current(self) -> Account:
        """The account of the settings."""
        return self.stored.account

    @property
    def number(self) -> int:
        """Its number in the database."""
        return self.stored.number

    def find_proof(self, call: Call) -> Proof | None:
        """Return what it proves that the cloud accepted a call, if that was not known."""
        own = {name: value for name, value in self.current.shop.items() if value}
        named = {name: value for name in self.current.shop if (value := call.fields.get(name))}
        is_for_own_shop = named.items() <= own.items() if own and named else not own
        proof = Proof.SHOP if is_for_own_shop else Proof.APPLICATION
        return proof if proof > self.stored.proof else None

    async def store_proof(self, proof: Proof) -> None:
        """Store what the cloud has accepted. Raises `StateError`."""
        await self._database.transact(partial(account_table.store_proof, number=self.number, proof=proof))
        self.stored = self.stored._replace(proof=max(self.stored.proof, proof))

    async def count_held(self) -> Sequence[account_table.HeldItems]:
        """Return how many items wait for each other account. Raises `StateError`."""
        return await self._database.inspect(partial(account_table.count_held, current=self.number))

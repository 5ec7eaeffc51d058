"""Recovery of a damaged database: it is set aside, and every row that can be read is put into a new one.

Whenever the database is opened, `save_schema` saves where its tables begin. If the database is damaged at the next
start, `recover` does the rest. A recovery that is interrupted at any moment is done again at the start after that.
"""

from gateway.storage.recovery.page_map import PAGE_BYTES
from gateway.storage.recovery.recover import is_interrupted, recover
from gateway.storage.recovery.schema_copy import save_schema

__all__ = ["PAGE_BYTES", "is_interrupted", "recover", "save_schema"]

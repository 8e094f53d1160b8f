"""A service's own database: transactions, migrations, partitions and ids."""

from marketplace_runtime.database.transaction import Transaction

__all__ = ["Transaction"]

"""The orders that the benchmark's handlers insert or change.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "create table orders (order_id uuid primary key, customer_id text not null, cents bigint not null,"
        " state text not null, changes int not null)"
    )


def downgrade() -> None:
    op.execute("drop table orders")

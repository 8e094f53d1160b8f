"""The order journal and the orders that are projected from it.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table order_journal (
    order_id uuid not null,
    version int not null,
    type text not null,
    data jsonb not null,
    at timestamptz not null,
    primary key (order_id, version)
);

create table orders (
    order_id uuid primary key,
    version int not null,
    customer_id text not null,
    status text not null,
    reason text,
    lines jsonb not null,
    total_amount bigint not null,
    currency text not null,
    payment text not null,
    provider text,
    asks int not null,
    doubtful boolean not null,
    refusals int not null,
    closed text[] not null,
    rejected_lines jsonb not null,
    dispatched boolean not null,
    shipping_delayed boolean not null,
    cancellation_refused text,
    placed_at timestamptz not null,
    updated_at timestamptz not null
) with (fillfactor = 80);

create index orders_by_customer on orders (customer_id, order_id desc);
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table orders, order_journal")

"""Add ids and revisions of addresses, and keep replaced addresses for orders that were placed before.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    "create sequence address_revisions",
    # null: existing rows, and those that older replicas insert during the upgrade; a sweep publishes them once
    "alter table addresses add column address_id uuid, add column revision bigint",
    "create index addresses_unsaid on addresses (customer_id) where revision is null",
    """
    create table past_addresses (
        address_id uuid primary key,
        customer_id text not null,
        name text not null,
        street text not null,
        city text not null,
        postal_code text not null,
        country text not null,
        replaced_at timestamptz not null
    )
    """,
    "create index ix_past_addresses_customer_id on past_addresses (customer_id)",
    "create index ix_past_addresses_replaced_at on past_addresses (replaced_at)",
    "alter table shipments add column address_id uuid",
    "create index shipments_under_way on shipments (address_id) where look_at is not null",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index shipments_under_way")
    op.execute("alter table shipments drop column address_id")
    op.execute("drop table past_addresses")
    op.execute("alter table addresses drop column address_id, drop column revision")
    op.execute("drop sequence address_revisions")

"""Add the copy of which customers have an address, and mark orders that wait for one.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create table addresses (customer_id text primary key, address_id uuid, revision bigint not null)")
    # the default is for rows that older replicas insert during the upgrade
    op.execute(
        "alter table orders add column address_id uuid, add column awaits_address boolean not null default false"
    )


def downgrade() -> None:
    op.execute("alter table orders drop column address_id, drop column awaits_address")
    op.execute("drop table addresses")

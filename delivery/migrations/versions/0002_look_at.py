"""Add the time at which a sweep next checks the progress of a shipment.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("shipments", sa.Column("look_at", sa.DateTime(timezone=True)))
    op.execute("update shipments set look_at = now() where status not in ('delivered', 'cancelled', 'failed')")
    # for rows that older replicas insert during the upgrade
    op.execute("alter table shipments alter look_at set default now() + interval '30 seconds'")
    is_there = sa.text("look_at is not null")
    op.create_index("shipments_look_at", "shipments", ["look_at"], postgresql_where=is_there)


def downgrade() -> None:
    op.drop_column("shipments", "look_at")

"""Create addresses, and shipments with the state of their bookings.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "addresses",
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("street", sa.Text, nullable=False),
        sa.Column("city", sa.Text, nullable=False),
        sa.Column("postal_code", sa.Text, nullable=False),
        sa.Column("country", sa.Text, nullable=False),
    )
    op.create_table(
        "shipments",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("shipment_id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("carrier", sa.Text),
        sa.Column("tracking_code", sa.Text),
        sa.Column("asked_at", sa.DateTime(timezone=True)),
        sa.Column("doubtful", sa.Boolean, nullable=False),
        sa.Column("refusals", sa.Integer, nullable=False),
        sa.Column("closed", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("aim", sa.Text),
        sa.Column("failure", sa.Text),
        sa.Column("dispatched_at", sa.DateTime(timezone=True)),
        sa.Column("delivered_at", sa.DateTime(timezone=True)),
    )
    op.execute("alter table shipments set (fillfactor = 70)")  # each row is updated four times or so, in place


def downgrade() -> None:
    op.drop_table("shipments")
    op.drop_table("addresses")

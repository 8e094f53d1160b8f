"""Create webhook endpoints and their deliveries.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.Uuid, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("everyones", sa.Boolean, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("secret", sa.Text, nullable=False),
        sa.Column("old_secret", sa.Text),
        sa.Column("old_secret_until", MOMENT),
        sa.Column("disabled", sa.Text),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failing_since", MOMENT),
        sa.Column("rests_until", MOMENT),
        sa.Column("turn", sa.Uuid, nullable=False),
        sa.Column("turn_at", MOMENT),
    )
    op.create_index("webhook_endpoints_by_owner", "webhook_endpoints", ["owner", "endpoint_id"])
    op.create_table(
        "webhook_deliveries",
        sa.Column("endpoint_id", sa.Uuid, sa.ForeignKey("webhook_endpoints.endpoint_id"), primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("attempted_at", MOMENT),
        sa.Column("status", sa.Integer),
        sa.Column("error", sa.Text),
    )
    due = sa.text("due_at is not null")
    op.create_index("webhook_deliveries_due", "webhook_deliveries", ["endpoint_id", "due_at"], postgresql_where=due)


def downgrade() -> None:
    op.drop_table("webhook_deliveries")
    op.drop_table("webhook_endpoints")

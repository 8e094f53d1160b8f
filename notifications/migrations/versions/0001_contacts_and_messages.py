"""Contacts, and messages to them.

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
        "contacts",
        sa.Column("person_id", sa.Text, primary_key=True),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("order_updates", sa.Boolean, nullable=False),
        sa.Column("reminders", sa.Boolean, nullable=False),
    )
    op.create_table(
        "messages",
        sa.Column("notification_id", sa.Uuid, primary_key=True),
        sa.Column("about", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("person_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("failure", sa.Text),
        sa.Column("sent_at", sa.DateTime(timezone=True)),
    )
    op.create_index("messages_by_person", "messages", ["person_id", "created_at", "notification_id"])
    op.execute("alter table messages set (fillfactor = 80)")  # each row is updated once, in place


def downgrade() -> None:
    op.drop_table("messages")
    op.drop_table("contacts")

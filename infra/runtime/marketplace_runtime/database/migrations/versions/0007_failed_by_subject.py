"""Add an index of failed entries by subject: an aggregate's deadlines wait for them.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index scheduled_failed on messaging.scheduled (subject) where failed_at is not null")


def downgrade() -> None:
    op.execute("drop index messaging.scheduled_failed")

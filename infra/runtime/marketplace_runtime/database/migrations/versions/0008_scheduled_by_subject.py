"""Add an index of scheduled entries by subject, for finding lost deadlines.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create index scheduled_subject on messaging.scheduled (subject, type)")


def downgrade() -> None:
    op.execute("drop index messaging.scheduled_subject")

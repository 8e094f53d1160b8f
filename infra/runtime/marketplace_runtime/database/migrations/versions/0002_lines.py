"""Add key ordering to the schedule: keys, parked entries, and dead letters that block the entries of their key.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The indexes are partial: they contain only entries with a key.
KEY_ORDERING = """
alter table messaging.scheduled
    alter column due drop not null,
    add column key text,
    add column dead boolean not null default false;
create index scheduled_line on messaging.scheduled (subscription, key, id) where key is not null;
create unique index scheduled_once on messaging.scheduled (subscription, key, event_id) where key is not null;
create index scheduled_dead on messaging.scheduled (subscription, event_id) where dead
"""


def upgrade() -> None:
    for statement in KEY_ORDERING.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index messaging.scheduled_dead, messaging.scheduled_once, messaging.scheduled_line")
    op.execute("update messaging.scheduled set due = now() where due is null")
    op.execute("alter table messaging.scheduled drop column dead, drop column key, alter column due set not null")

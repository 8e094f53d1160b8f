"""Lines of ordered events: a key, parked entries, and heads that are dead.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# The indexes hold nothing of what has no key.
LINES = """
alter table messaging.scheduled
    alter column due drop not null,
    add column key text,
    add column dead boolean not null default false;
create index scheduled_line on messaging.scheduled (subscription, key, id) where key is not null;
create unique index scheduled_once on messaging.scheduled (subscription, key, event_id) where key is not null;
create index scheduled_dead on messaging.scheduled (subscription, event_id) where dead
"""


def upgrade() -> None:
    for statement in LINES.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop index messaging.scheduled_dead, messaging.scheduled_once, messaging.scheduled_line")
    op.execute("update messaging.scheduled set due = now() where due is null")
    op.execute("alter table messaging.scheduled drop column dead, drop column key, alter column due set not null")

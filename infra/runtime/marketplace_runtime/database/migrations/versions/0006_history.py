"""Create the table of replays and their progress.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TABLE = """
create table messaging.history (
    subscription text primary key,
    id uuid not null,
    asked_by text not null,
    asked_at timestamptz not null default now(),
    types text[] not null,
    rate int,
    holds boolean not null,
    since timestamptz,
    next bigint,
    begun bigint,
    through bigint,
    reached bigint not null default -1,
    state text not null default 'running' check (state in ('running', 'done', 'stopped', 'failed')),
    why text not null default '',
    ended_at timestamptz,
    handed bigint not null default 0,
    known bigint not null default 0,
    refused bigint not null default 0,
    too_old bigint not null default 0,
    holder bigint,
    deaths int not null default 0
)
"""


def upgrade() -> None:
    op.execute(TABLE)


def downgrade() -> None:
    op.execute("drop table messaging.history")

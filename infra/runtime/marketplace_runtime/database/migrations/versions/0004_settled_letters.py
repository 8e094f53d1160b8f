"""Group dead letters by fingerprint, store settled ones, and set unpublishable events of the outbox aside.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# Replaces the parts in which errors of one kind differ: ids, quoted values and numbers.
NORMALISED = r"""
create function messaging.normalised(error text) returns text immutable parallel safe language sql as $$
    select regexp_replace(regexp_replace(regexp_replace(regexp_replace(
        left(split_part(error, chr(10), 1), 300),
        '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}', '<id>', 'gi'),
        '"[^"]*"', '<text>', 'g'),
        '(?<!\w)''[^'']*''(?!\w)', '<text>', 'g'),
        '[0-9]+', '<n>', 'g')
$$
"""

FINGERPRINT = """
alter table messaging.dead_letters add column fingerprint text not null generated always as (
    'g' || left(md5(subscription || chr(10) || reason || chr(10) || messaging.normalised(error)), 11)) stored
"""

TABLES = """
create index dead_letters_fingerprint on messaging.dead_letters (fingerprint, id);

create table messaging.settled_letters (
    settled bigint generated always as identity primary key,
    id bigint not null,
    subscription text not null,
    event_id uuid,
    type text,
    reason text not null,
    error text not null,
    attempts int not null,
    failed_at timestamptz,
    filed_at timestamptz not null,
    headers jsonb not null,
    body bytea,
    action text not null check (action in ('replayed', 'edited', 'discarded')),
    by text not null,
    at timestamptz not null default now(),
    note text not null
);

create table messaging.outbox_set_aside (
    seq bigint primary key,
    event_id uuid not null,
    type text not null,
    bucket smallint not null,
    subject text not null,
    why text not null,
    at timestamptz not null default now()
)
"""


def upgrade() -> None:
    for statement in (NORMALISED, FINGERPRINT, *TABLES.split(";\n")):
        op.execute(statement)


def downgrade() -> None:
    op.execute("drop table messaging.outbox_set_aside, messaging.settled_letters")
    op.execute("alter table messaging.dead_letters drop column fingerprint")
    op.execute("drop function messaging.normalised")

"""Create the inbox, outbox, schedule, claims, dead letters and stored answers to idempotency keys.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = """
create table messaging.inbox (
    subscription text not null,
    event_id uuid not null,
    attempt int not null,
    handled_at timestamptz not null default now(),
    primary key (subscription, event_id)
) partition by range (event_id);

create table messaging.outbox (
    event_id uuid not null,
    type text not null,
    subject text not null,
    at timestamptz not null,
    traceparent text not null,
    causation_id uuid,
    body bytea not null,
    primary key (event_id, type)
) partition by range (event_id);

create table messaging.outbox_pending (
    seq bigint generated always as identity primary key,
    event_id uuid not null,
    type text not null,
    bucket smallint not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table messaging.scheduled (
    id bigint generated always as identity primary key,
    subscription text not null,
    event_id uuid not null,
    type text not null,
    source text not null,
    subject text not null,
    at timestamptz not null,
    traceparent text not null,
    causation_id uuid,
    body bytea not null,
    due timestamptz not null,
    attempt int not null,
    why text not null,
    failed_at timestamptz,
    holder bigint,
    deaths int not null default 0
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
create index scheduled_due on messaging.scheduled (due);
create index scheduled_holder on messaging.scheduled (holder) where holder is not null;

create table messaging.claims (
    subscription text not null,
    event_id uuid not null,
    holder bigint not null,
    lease_until timestamptz not null,
    primary key (subscription, event_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create table messaging.suspects (
    subscription text not null,
    event_id uuid not null,
    runs int not null,
    primary key (subscription, event_id)
);

create table messaging.dead_letters (
    id bigint generated always as identity primary key,
    key text not null unique,
    subscription text not null,
    event_id uuid,
    type text,
    reason text not null,
    error text not null,
    attempts int not null,
    failed_at timestamptz,
    filed_at timestamptz not null default now(),
    headers jsonb not null,
    body bytea not null
);

create table messaging.idempotency_keys (
    caller text not null,
    route text not null,
    key text not null,
    body_sha256 bytea not null,
    status int not null,
    content_type text not null,
    location text,
    body bytea not null,
    created_at timestamptz not null default now(),
    primary key (caller, route, key)
);
create index idempotency_keys_created_at on messaging.idempotency_keys (created_at);

create table messaging.probe (
    only_row boolean primary key default true check (only_row),
    at timestamptz not null default now()
);
insert into messaging.probe default values
"""

UUID_FLOOR = """
create function messaging.uuid_floor(at timestamptz) returns uuid immutable language sql as $$
    select (lpad(to_hex((extract(epoch from at) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid
$$
"""

# Runs as its owner: the role that the service runs as may not create tables itself.
MAKE_PARTITIONS = """
create function messaging.make_partitions(since date, until date) returns void
language plpgsql security definer set search_path = messaging, pg_temp as $$
declare
    parent text;
    day date;
    part text;
begin
    foreach parent in array array['inbox', 'outbox'] loop
        for day in select generate_series(since, until, interval '1 day') loop
            part := parent || '_' || to_char(day, 'YYYYMMDD');
            if to_regclass('messaging.' || part) is null then
                execute format(
                    'create table messaging.%I partition of messaging.%I for values from (%L) to (%L)',
                    part, parent,
                    messaging.uuid_floor(day::timestamp at time zone 'utc'),
                    messaging.uuid_floor((day + 1)::timestamp at time zone 'utc'));
            end if;
        end loop;
    end loop;
end $$
"""


def upgrade() -> None:
    for statement in TABLES.split(";\n"):
        op.execute(statement)
    op.execute(UUID_FLOOR)
    op.execute(MAKE_PARTITIONS)
    op.execute("revoke execute on function messaging.make_partitions from public")
    op.execute(
        "select messaging.make_partitions((now() at time zone 'utc')::date - 8, (now() at time zone 'utc')::date + 2)"
    )


def downgrade() -> None:
    op.execute("drop schema messaging cascade")

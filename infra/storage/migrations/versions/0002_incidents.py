"""What went wrong with an event on its way: failed attempts, postponements, duplicates.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TABLE = """
create table messaging.incidents (
    event_id uuid not null,
    subscription text not null,
    type text not null,
    what text not null,
    attempt int not null,
    why text not null,
    at timestamptz not null default now()
) partition by range (event_id)
"""

# As before, with one more table in daily partitions.
MAKE_PARTITIONS = """
create or replace function messaging.make_partitions(since date, until date) returns void
language plpgsql security definer set search_path = messaging, pg_temp as $$
declare
    parent text;
    day date;
    part text;
begin
    foreach parent in array array['inbox', 'outbox', 'incidents'] loop
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
    op.execute(TABLE)
    op.execute("create index incidents_event_id on messaging.incidents (event_id)")
    op.execute(MAKE_PARTITIONS)
    op.execute(
        "select messaging.make_partitions((now() at time zone 'utc')::date - 8, (now() at time zone 'utc')::date + 2)"
    )


def downgrade() -> None:
    op.execute("drop table messaging.incidents")
    op.execute(MAKE_PARTITIONS.replace(", 'incidents'", ""))

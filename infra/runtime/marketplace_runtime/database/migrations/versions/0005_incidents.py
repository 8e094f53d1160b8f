"""Create the table of incidents: failed attempts and duplicates of events.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
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

# The functions that make and drop daily partitions contain a list of the partitioned tables. This replaces the list.
REPLACE_TABLE_LIST = """
do $$
declare
    function regprocedure;
begin
    foreach function in array array[
        'messaging.make_partitions(date, date)', 'messaging.drop_partition(text, date)']::regprocedure[]
    loop
        if strpos(pg_get_functiondef(function), '{before}') = 0 then
            raise exception '% differs from what this migration expects', function;
        end if;
        execute replace(pg_get_functiondef(function), '{before}', '{after}');
    end loop;
end $$
"""
WITHOUT_INCIDENTS, WITH_INCIDENTS = "''inbox'', ''outbox''", "''inbox'', ''outbox'', ''incidents''"


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("create index incidents_event_id on messaging.incidents (event_id)")
    op.execute(REPLACE_TABLE_LIST.format(before=WITHOUT_INCIDENTS, after=WITH_INCIDENTS))
    op.execute(
        "select messaging.make_partitions((now() at time zone 'utc')::date - 8, (now() at time zone 'utc')::date + 2)"
    )


def downgrade() -> None:
    op.execute("drop table messaging.incidents")
    op.execute(REPLACE_TABLE_LIST.format(before=WITH_INCIDENTS, after=WITHOUT_INCIDENTS))

"""What went wrong with an event on its way: failed attempts and duplicates.

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

# The functions that make and drop daily partitions know the partitioned tables by name: one more, or one less.
NAME_THE_TABLES = """
do $$
declare
    function regprocedure;
begin
    foreach function in array array[
        'messaging.make_partitions(date, date)', 'messaging.drop_partition(text, date)']::regprocedure[]
    loop
        if strpos(pg_get_functiondef(function), '{before}') = 0 then
            raise exception '% is not as this migration knows it', function;
        end if;
        execute replace(pg_get_functiondef(function), '{before}', '{after}');
    end loop;
end $$
"""
TWO, THREE = "''inbox'', ''outbox''", "''inbox'', ''outbox'', ''incidents''"


def upgrade() -> None:
    op.execute(TABLE)
    op.execute("create index incidents_event_id on messaging.incidents (event_id)")
    op.execute(NAME_THE_TABLES.format(before=TWO, after=THREE))
    op.execute(
        "select messaging.make_partitions((now() at time zone 'utc')::date - 8, (now() at time zone 'utc')::date + 2)"
    )


def downgrade() -> None:
    op.execute("drop table messaging.incidents")
    op.execute(NAME_THE_TABLES.format(before=THREE, after=TWO))

"""Add a function that drops the partitions of days past their retention.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

IS_PENDING = """
create function messaging.is_pending(day date) returns boolean stable language sql as $$
    select exists (
        select from messaging.outbox_pending
        where event_id >= messaging.uuid_floor(day::timestamp at time zone 'utc')
        and event_id < messaging.uuid_floor((day + 1)::timestamp at time zone 'utc'))
$$
"""

# Runs as its owner: the service's own role may drop no table itself. Drops only partitions that are older than 8 days.
#
# The parent is locked first, as by all other statements. Then the pending events are checked again: from here on,
# none can be added.
DROP_PARTITION = """
create function messaging.drop_partition(parent text, before date) returns text
language plpgsql security definer set search_path = messaging, pg_temp as $$
declare
    part text;
    day date;
begin
    if parent not in ('inbox', 'outbox') or before > (now() at time zone 'utc')::date - 8 then
        raise exception 'partitions of % are kept for 8 days at least, not only since %', parent, before;
    end if;
    for part, day in
        select relname, to_date(right(relname, 8), 'YYYYMMDD')
        from pg_inherits join pg_class on pg_class.oid = inhrelid
        where inhparent = ('messaging.' || parent)::regclass order by relname
    loop
        exit when day >= before;
        continue when parent = 'outbox' and messaging.is_pending(day);
        execute format('lock table messaging.%I in access exclusive mode', parent);
        continue when parent = 'outbox' and messaging.is_pending(day);
        execute format('drop table messaging.%I', part);
        return part;
    end loop;
    return null;
end $$
"""


def upgrade() -> None:
    op.execute(IS_PENDING)
    op.execute(DROP_PARTITION)
    op.execute("revoke execute on function messaging.drop_partition from public")


def downgrade() -> None:
    op.execute("drop function messaging.drop_partition")
    op.execute("drop function messaging.is_pending")

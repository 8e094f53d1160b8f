"""Creates the table of notes, with constraints that are checked only at the commit."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("create table authors (name text primary key)")
    op.execute("insert into authors values ('alice')")
    op.execute(
        """
        create table notes (
            id text unique deferrable initially deferred,
            author text references authors deferrable initially deferred,
            text text not null
        )
        """
    )


def downgrade() -> None:
    op.execute("drop table notes, authors")

"""Add an index of the carts that wait for an abandonment deadline, to find lost ones.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("carts_watched", "carts", ["customer_id"], postgresql_where=sa.text("watched"))


def downgrade() -> None:
    op.drop_index("carts_watched", "carts")

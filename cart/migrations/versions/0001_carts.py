"""Carts and their lines, checkouts, and a copy of product facts.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("product_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("price_amount", sa.BigInteger, nullable=False),
        sa.Column("price_currency", sa.String(3), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "carts",
        sa.Column("customer_id", sa.Text, primary_key=True),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("watched", sa.Boolean, nullable=False),
    )
    op.create_table(
        "lines",
        sa.Column("customer_id", sa.Text, sa.ForeignKey("carts.customer_id"), primary_key=True),
        sa.Column("product_id", sa.Uuid, primary_key=True),
        sa.Column("quantity", sa.Integer, nullable=False),
        sa.Column("in_checkout", sa.Integer, nullable=False),
        sa.Column("unit_amount", sa.BigInteger, nullable=False),
        sa.Column("unit_currency", sa.String(3), nullable=False),
        sa.CheckConstraint("quantity > 0", name="lines_want_something"),
        sa.CheckConstraint("in_checkout between 0 and quantity", name="lines_check_out_what_they_have"),
    )
    op.create_table(
        "checkouts",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Text, nullable=False),
        sa.Column("quantities", JSONB, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
    )
    for table in ("products", "carts", "lines", "checkouts"):
        op.execute(f"alter table {table} set (fillfactor = 80)")  # room to update in place


def downgrade() -> None:
    for table in ("checkouts", "lines", "carts", "products"):
        op.drop_table(table)

"""Create products with their stock, and reservations by orders.

Revision ID: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "products",
        sa.Column("product_id", sa.Uuid, primary_key=True),
        sa.Column("seller_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("name_words", TSVECTOR, sa.Computed("to_tsvector('simple', name)", persisted=True)),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("price_amount", sa.BigInteger, nullable=False),
        sa.Column("price_currency", sa.String(3), nullable=False),
        sa.Column("on_hand", sa.BigInteger, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("low_stock_threshold", sa.Integer, nullable=False),
        sa.Column("low_stock_said", sa.Boolean, nullable=False),
        sa.Column("discontinued", sa.Boolean, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.CheckConstraint("reserved >= 0", name="products_reserved_not_negative"),
        sa.CheckConstraint("on_hand >= reserved", name="products_not_oversold"),
    )
    op.execute("alter table products set (fillfactor = 80)")  # room to update stock in place
    op.create_index("products_by_word", "products", ["name_words"], postgresql_using="gin")
    op.create_index("products_by_category", "products", ["category", "product_id"])
    op.create_table(
        "reservations",
        sa.Column("order_id", sa.Uuid, primary_key=True),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("lines", JSONB, nullable=False),
    )


def downgrade() -> None:
    op.drop_table("reservations")
    op.drop_table("products")

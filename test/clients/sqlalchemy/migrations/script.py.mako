"""${message}"""

from alembic import op
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
import cellenc

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade():
    ${upgrades}


def downgrade():
    ${downgrades}

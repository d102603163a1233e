"""What depends on the driver, which Django chooses: since 4.2 psycopg 3, if it is here."""

try:
    from django.db.backends.postgresql.psycopg_any import is_psycopg3
except ImportError:
    is_psycopg3 = False
if is_psycopg3:
    import psycopg as driver
else:
    import psycopg2 as driver


def decimal_field(more=""):
    """What inspectdb makes of a numeric without precision."""
    if is_psycopg3:
        return (f"models.DecimalField(max_digits=10, decimal_places=5{more})  # max_digits and decimal_places have been guessed,"
                " as this database handles decimal fields as float")
    return f"models.DecimalField(max_digits=65535, decimal_places=65535{more})"

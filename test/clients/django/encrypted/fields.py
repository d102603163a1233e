"""Fields that declare encrypted columns: one class for each of Django's."""

from django.db import models


class Encrypted:
    """Mixin; TWIN is the type of the column."""

    def __init__(self, *args, key, search="none", **kwargs):
        self.key, self.search = key, search
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "key": self.key, "search": self.search}

    def db_type(self, connection):
        return f"{self.TWIN}('{self.key}','{self.search}')"

    def cast_db_type(self, connection):
        # of expressions, which are not stored
        return super().db_type(connection)


class EncryptedTextField(Encrypted, models.TextField):
    TWIN = "enctext"


class EncryptedIntegerField(Encrypted, models.IntegerField):
    TWIN = "encint4"


class EncryptedDecimalField(Encrypted, models.DecimalField):
    TWIN = "encnumeric"


class EncryptedDateField(Encrypted, models.DateField):
    TWIN = "encdate"


class EncryptedBooleanField(Encrypted, models.BooleanField):
    TWIN = "encbool"


class EncryptedJSONField(Encrypted, models.JSONField):
    TWIN = "encjsonb"


class EncryptedBinaryField(Encrypted, models.BinaryField):
    TWIN = "encbytea"

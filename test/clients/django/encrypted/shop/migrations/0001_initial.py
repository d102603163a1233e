import django.contrib.postgres.fields
from django.db import migrations, models
import fields


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Customer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('email', fields.EncryptedTextField(key='shop', search='equality')),
                ('name', fields.EncryptedTextField(db_index=True, key='shop', search='order')),
                ('visits', fields.EncryptedIntegerField(default=0, key='shop', search='order', unique=True)),
                ('salary', fields.EncryptedDecimalField(decimal_places=2, key='pay', max_digits=12, null=True, search='none')),
                ('born', fields.EncryptedDateField(key='shop', null=True, search='none')),
                ('active', fields.EncryptedBooleanField(default=True, key='shop', search='none')),
                ('doc', fields.EncryptedJSONField(key='shop', null=True, search='none')),
                ('photo', fields.EncryptedBinaryField(key='shop', null=True, search='none')),
                ('tags', django.contrib.postgres.fields.ArrayField(base_field=fields.EncryptedTextField(key='shop', search='none'), default=list, size=None)),
            ],
        ),
        migrations.AddConstraint(
            model_name='customer',
            constraint=models.UniqueConstraint(fields=('email',), name='customer_email', opclasses=['cellenc.enctext_term_ops']),
        ),
    ]

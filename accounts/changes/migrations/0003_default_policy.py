"""Nothing: the rules that policy starts with are written once it has versions (`accounts/approvals/migrations/0002_guards.py`)."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("changes", "0002_guards")]

    operations = ()

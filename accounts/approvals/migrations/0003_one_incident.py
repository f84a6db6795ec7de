"""At any time a person has at most one incident that still has to be reviewed."""

from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("approvals", "0002_guards")]

    operations = [
        migrations.AddConstraint(
            model_name="approvalrequest",
            constraint=models.UniqueConstraint(
                fields=["requested_by"],
                condition=~Q(incident="") & Q(reviewed_at__isnull=True),
                name="approval_request_one_incident",
            ),
        ),
    ]

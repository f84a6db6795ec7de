"""Indexes for the filters of the audit page. A bulk change writes nothing for each item to them, but for unusual outcomes."""

import django.db.models.fields.json
import django.db.models.functions.text
import django.db.models.lookups
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("audit", "0002_append_only"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(
                    models.Q(
                        (
                            "tag__in",
                            (
                                "item:call:claimed",
                                "item:step:done",
                                "item:call:answered",
                                "item:call:deferred",
                                "item:outcome:settled",
                                "item:outcome:unknown",
                            ),
                        ),
                        _negated=True,
                    ),
                    models.Q(("detail__has_key", "position"), _negated=True),
                ),
                name="event_unfolded",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.F("reason_code"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(
                    models.Q(
                        (
                            "tag__in",
                            (
                                "item:call:claimed",
                                "item:step:done",
                                "item:call:answered",
                                "item:call:deferred",
                                "item:outcome:settled",
                                "item:outcome:unknown",
                            ),
                        ),
                        _negated=True,
                    ),
                    models.Q(("detail__has_key", "position"), _negated=True),
                    models.Q(("reason_code", ""), _negated=True),
                ),
                name="event_by_reason",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                models.F("change_id"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("change_id__isnull", False), ("item_id__isnull", True)),
                name="event_of_whole_change",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                django.db.models.functions.text.Upper(django.db.models.fields.json.KeyTextTransform("ticket", "detail")),
                condition=models.Q(
                    models.Q(
                        (
                            "tag__in",
                            (
                                "item:call:claimed",
                                "item:step:done",
                                "item:call:answered",
                                "item:call:deferred",
                                "item:outcome:settled",
                                "item:outcome:unknown",
                            ),
                        ),
                        _negated=True,
                    ),
                    models.Q(("detail__has_key", "position"), _negated=True),
                    ("tag", "change:request:submitted"),
                ),
                name="event_by_ticket",
            ),
        ),
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                django.db.models.fields.json.KeyTextTransform("outcome", "detail"),
                models.OrderBy(models.F("occurred_at"), descending=True),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(
                    ("tag", "item:outcome:settled"),
                    models.Q(
                        django.db.models.lookups.Exact(
                            django.db.models.fields.json.KeyTextTransform("outcome", "detail"), models.Value("applied")
                        ),
                        _negated=True,
                    ),
                ),
                name="event_by_outcome",
            ),
        ),
    ]

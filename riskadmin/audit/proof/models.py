"""The tree's leaves and nodes, its signed checkpoints, and how far sealing is. No row refers to another."""

from typing import Final

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from riskadmin.database.privileges import append_only, hidden_from_auditor, kept, never_changed
from riskadmin.web.looks import Look

TABLE_MAX: Final = 63


@append_only()
@hidden_from_auditor("salt")
class Leaf(models.Model):
    """The leaf of one row: where it stands in the tree, and its hash. The salt hides personal data that is left out."""

    position = models.BigIntegerField(primary_key=True)  # from 0, without gaps
    table = models.CharField(max_length=TABLE_MAX)
    row_id = models.BigIntegerField()
    salt = models.BinaryField(max_length=16)
    hash = models.BinaryField(max_length=32)

    class Meta:
        # Also finds the leaf of a row.
        constraints = [models.UniqueConstraint(fields=["table", "row_id"], name="leaf_once_per_row")]

    def __str__(self) -> str:
        return f"Leaf {self.position}: {self.table} {self.row_id}"


@append_only()
class Node(models.Model):
    """The root of 256 leaves (level 1), or of 256 nodes of the level below. Never changes once its subtree is whole."""

    level = models.PositiveSmallIntegerField()
    position = models.BigIntegerField()
    hash = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "position"], name="node_once")]

    def __str__(self) -> str:
        return f"Node {self.level}/{self.position}"


@append_only()
class Checkpoint(models.Model):
    """What the tree was at one moment, signed. `note` is the text that is handed outside; the rest stands in it too."""

    size = models.BigIntegerField(unique=True)
    root = models.BinaryField(max_length=32)
    edge = models.BinaryField()  # from which the tree grows on
    note = models.TextField()
    made_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"Checkpoint of {self.size} leaves"


@kept(changing=("reached", "candidate", "waits_for", "pending"))
class Horizon(models.Model):
    """How far a table is sealed. It only saves work: what is missing in the tree is found by comparing with the table.

    Rows up to `reached` are sealed, except for the `pending` ones, which were not complete. Up to `candidate` come next, once
    the transactions that `waits_for` names have ended.
    """

    table = models.CharField(max_length=TABLE_MAX, unique=True)
    reached = models.BigIntegerField(default=0)
    candidate = models.BigIntegerField(null=True)
    waits_for = ArrayField(models.CharField(max_length=64), default=list)
    pending = ArrayField(models.BigIntegerField(), default=list)

    def __str__(self) -> str:
        return f"{self.table} is sealed up to {self.reached}"


@append_only()
class Anchor(models.Model):
    """A checkpoint that was handed to a place outside, and what that place gave for it: a version's id, a time stamp."""

    place = models.CharField(max_length=16)
    size = models.BigIntegerField()
    note = models.TextField()
    place_words = models.TextField()
    receipt = models.BinaryField(default=b"")
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        # The newest of a place.
        indexes = [models.Index(fields=["place", "-size"], name="anchor_newest")]

    def __str__(self) -> str:
        return f"{self.size} rows to {self.place}"


class ExportState(models.TextChoices):
    """How far an export is."""

    WAITING = "waiting", "Waiting"
    RUNNING = "running", "Being written"
    READY = "ready", "Ready"
    FAILED = "failed", "Failed"


EXPORT_LOOK: Final[dict[ExportState, Look]] = {
    ExportState.WAITING: Look(tone="busy", icon="hourglass", explanation="A worker will begin with it."),
    ExportState.RUNNING: Look(tone="busy", icon="loader", explanation="A worker reads the trail and writes the file."),
    ExportState.READY: Look(tone="ok", icon="circle-check", explanation="The file can be downloaded."),
    ExportState.FAILED: Look(tone="danger", icon="circle-x", explanation="No file was written."),
}


@kept(changing=("state", "rows", "size", "failure", "began_at", "ended_at"))
class Export(models.Model):
    """An export that somebody requested. `query` is the address of the filtered list; the file is in `ExportPart`."""

    requested_by_id = models.BigIntegerField()
    requested_by_name = models.CharField(max_length=150)
    requested_at = models.DateTimeField(db_default=Now())
    query = models.TextField(blank=True)
    data_format = models.CharField(max_length=8)
    withheld = ArrayField(models.CharField(max_length=16), default=list)
    state = models.CharField(max_length=16, choices=ExportState, default=ExportState.WAITING)
    rows = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    failure = models.TextField(blank=True)
    began_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        # The ones of the page, newest first.
        indexes = [models.Index(fields=["requested_by_id", "-id"], name="export_by_person")]

    def __str__(self) -> str:
        return f"Export {self.pk}"


@never_changed()
class ExportPart(models.Model):
    """A part of an export's file. In PostgreSQL, because the process that writes it and the one that sends it share no disk."""

    export_id = models.BigIntegerField()
    position = models.PositiveIntegerField()
    content = models.BinaryField()
    made_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["export_id", "position"], name="export_part_once")]
        # What is deleted after some days.
        indexes = [models.Index(fields=["made_at"], name="export_part_by_age")]

    def __str__(self) -> str:
        return f"Part {self.position} of export {self.export_id}"

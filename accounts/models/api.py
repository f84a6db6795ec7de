"""What is known about Tradovate's API itself: the session, the calls of the last hour, stops, and how responses are cut."""

from django.db import models
from django.db.models.functions import Now

from riskadmin.database.privileges import hidden_from_auditor
from riskadmin.tradovate.vocabulary import Environment

ENVIRONMENTS = [(each.value, each.value.title()) for each in Environment]


class AnswerCap(models.Model):
    """The number of rows at which Tradovate cuts an endpoint's responses, as last seen. Kept while responses are cut."""

    environment = models.CharField(max_length=8, choices=ENVIRONMENTS)
    endpoint = models.CharField(max_length=96)
    rows = models.PositiveIntegerField()
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "endpoint"], name="answer_cap_once")]

    def __str__(self) -> str:
        return f"{self.environment} {self.endpoint}: {self.rows}"


class IdProof(models.Model):
    """Whether an entity's records carry their account's id in an environment, and the account that showed it."""

    environment = models.CharField(max_length=8, choices=ENVIRONMENTS)
    entity = models.CharField(max_length=64)
    matches = models.BooleanField()
    account_id = models.BigIntegerField()
    record_id = models.BigIntegerField()
    checked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "entity"], name="id_proof_once")]

    def __str__(self) -> str:
        return f"{self.environment} {self.entity}: {'the account id' if self.matches else 'ids of their own'}"


@hidden_from_auditor("ciphertext")
class ApiToken(models.Model):
    """The one access token per environment that all processes share, encrypted, and the lease of the process that renews it."""

    environment = models.CharField(max_length=8, choices=ENVIRONMENTS, unique=True)
    ciphertext = models.BinaryField(default=b"")
    expires_at = models.DateTimeField(null=True)
    generation = models.BigIntegerField(default=0)
    lease_holder = models.CharField(max_length=64, blank=True)
    leased_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.environment} token, generation {self.generation}"


class ApiSession(models.Model):
    """A session of ours at Tradovate: when it was begun, and when and why another one took its place."""

    environment = models.CharField(max_length=8, choices=ENVIRONMENTS)
    api_user = models.CharField(max_length=64)
    begun_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    why_ended = models.CharField(max_length=200, blank=True)

    class Meta:
        indexes = [models.Index(fields=["environment", "-begun_at"], name="api_session_newest")]

    def __str__(self) -> str:
        return f"{self.environment} session of {self.begun_at:%Y-%m-%d %H:%M:%S}"


@hidden_from_auditor("sealed")
class ApiCredentials(models.Model):
    """What we log in with in an environment, encrypted. Where there is none, the settings say it."""

    environment = models.CharField(max_length=8, choices=ENVIRONMENTS, unique=True)
    sealed = models.TextField()
    set_at = models.DateTimeField(db_default=Now())
    set_by_name = models.CharField(max_length=150)

    def __str__(self) -> str:
        return f"{self.environment} credentials"


class ApiAttempt(models.Model):
    """An attempt to call Tradovate. Those of the last hour are the API budget; they are counted before they are made."""

    api_user = models.CharField(max_length=64)
    # Named in the settings: Tradovate counts an endpoint's own limit by the internet address that calls come from.
    address = models.CharField(max_length=64, db_default="")
    endpoint = models.CharField(max_length=96)
    lane = models.CharField(max_length=8)
    attempted_at = models.DateTimeField(db_default=Now())  # the database's clock, the one that all processes share
    # Towards the endpoint's own limit; not if it has none, or counts only failures and this was none.
    counts_at_address = models.BooleanField(db_default=True)

    class Meta:
        indexes = [
            # each admission, and the page of the last hour
            models.Index(fields=["api_user", "attempted_at", "id"], name="attempt_by_time"),
            # each admission at an endpoint with its own limit
            models.Index(
                fields=["address", "endpoint", "attempted_at"],
                condition=models.Q(counts_at_address=True),
                name="attempt_at_address",
            ),
            models.Index(fields=["attempted_at"], name="attempt_age"),  # deleting old rows
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} at {self.attempted_at:%H:%M:%S}"


class ApiHalt(models.Model):
    """A stop of all calls (or of one endpoint) that Tradovate asked for."""

    api_user = models.CharField(max_length=64)
    address = models.CharField(max_length=64, db_default="")
    # Empty for all calls; ends in `@demo` or `@live` if it is stopped in one environment only.
    endpoint = models.CharField(max_length=96, blank=True)
    until = models.DateTimeField()
    reason = models.CharField(max_length=200)
    noticed_at = models.DateTimeField(db_default=Now())
    succeeded_at = models.DateTimeField(null=True)  # a call after a denial of access: the next denial is a new one

    class Meta:
        indexes = [models.Index(fields=["api_user", "until"], name="halt_by_end")]  # the stops still in force

    def __str__(self) -> str:
        return f"{self.what or 'all calls'} until {self.until:%H:%M:%S}"

    @property
    def what(self) -> str:
        """The endpoint in words, with its environment if it is stopped in one only; "" for all calls."""
        return self.endpoint.replace("@", " on ")

    @property
    def is_denial(self) -> bool:
        """Whether we are denied access: at `until` the call is tried again, and denied again unless access was granted."""
        return "@" in self.endpoint


class ApiLimit(models.Model):
    """A lower hourly limit than the one in the settings, learned from a 429."""

    api_user = models.CharField(max_length=64)
    calls = models.PositiveIntegerField()
    counted = models.PositiveIntegerField()
    learnt_at = models.DateTimeField(db_default=Now())
    until = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(calls__gte=1), name="limit_leaves_a_call")]
        indexes = [models.Index(fields=["api_user", "-learnt_at"], name="limit_newest")]  # the one that may be in force

    def __str__(self) -> str:
        return f"{self.calls} calls an hour until {self.until:%Y-%m-%d %H:%M:%S}"

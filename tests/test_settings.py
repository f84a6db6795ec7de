"""Settings: every bad value stops the start and names its variable, and `.env.example` says all there is to set."""

import os
import re
import runpy
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from riskadmin.env import SECRETS, Variables

PROJECT = Path(__file__).resolve().parents[1]
SETTINGS = PROJECT / "riskadmin" / "settings.py"
EXAMPLE = PROJECT / ".env.example"

# Read by `make demo`, not by the settings.
OF_THE_DEMO = {"PORT": "8000"}


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> dict[str, Any]:
    """Read the settings again, with only these variables set."""
    for name in variables_read() | variables_in_example():
        monkeypatch.delenv(name, raising=False)
    defaults = {"ENV_FILE": os.devnull, "SECRET_KEY": "x" * 40}
    for name, value in {**defaults, **variables}.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(SETTINGS))


def variables_read() -> set[str]:
    """The variables that the settings read."""
    return set(Variables.model_fields) | {f"{name}_FILE" for name in SECRETS}


def variables_in_example() -> set[str]:
    return set(example())


def example() -> dict[str, str]:
    """The variables of `.env.example`, each with the default it tells."""
    lines = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a variable is listed twice"
    return dict(lines)


def test_the_example_lists_exactly_what_is_read() -> None:
    assert variables_in_example() == variables_read() | set(OF_THE_DEMO)


def test_the_settings_read_the_environment_only_here() -> None:
    source = SETTINGS.read_text(encoding="utf-8")
    assert "os.environ" not in source
    assert "getenv" not in source


def test_the_example_file_shows_the_defaults() -> None:
    reported = example()
    for name, field in Variables.model_fields.items():
        assert reported[name] == (str(field.default).lower() if isinstance(field.default, bool) else str(field.default)), name
    assert {reported[f"{name}_FILE"] for name in SECRETS} == {""}
    assert {name: reported[name] for name in OF_THE_DEMO} == OF_THE_DEMO


def test_each_line_of_the_example_is_explained() -> None:
    explained = False
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if re.match(r"^(# )?[A-Z][A-Z0-9_]+=", line):
            assert explained, line
        else:
            explained = line.startswith("# ") and not line.startswith("# ---")


def test_the_least_there_must_be(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    assert (settings["DEBUG"], settings["HTTPS"], settings["DEMO"]) == (False, True, False)
    assert settings["ALLOWED_HOSTS"] == ["127.0.0.1", "localhost"]
    assert settings["TRADOVATE_URLS"] == {"demo": "", "live": ""}
    assert settings["SESSION_COOKIE_AGE"] == 12 * 3600
    assert (settings["BUDGET_CALLS_PER_HOUR"], settings["BUDGET_SAFETY_MARGIN"]) == (5000, 25)
    assert settings["DATABASES"]["default"]["HOST"] == "127.0.0.1"
    assert settings["CELERY_BROKER_URL"] == settings["REDIS_URL"] == "redis://127.0.0.1:6379/0"


BAD = [
    ("SECRET_KEY", ""),
    ("SECRET_KEY", "x" * 31),
    ("SECRET_KEY_FILE", "/nowhere/at/all"),
    ("SECRET_KEY_FILE", "/"),
    ("TRADOVATE_PASSWORD_FILE", "/nowhere/at/all"),
    ("TRADOVATE_SEC_FILE", "/nowhere/at/all"),
    *((name, value) for name in ("DEBUG", "HTTPS", "RISKADMIN_DEMO") for value in ("", "ja", "2", "tru")),
    *(
        (name, value)
        for name in (
            "SESSION_HOURS",
            "DATABASE_POOL_SIZE",
            "BUDGET_CALLS_PER_HOUR",
            "BUDGET_SAFETY_MARGIN",
            "BUDGET_URGENT_SHARE_PCT",
            "CALLS_AT_ONCE",
            "LIMITS_PER_CALL",
            "SYNC_SECONDS",
            "STALE_SECONDS",
            "HOURS_KNOWN_DAYS",
            "MAINTENANCE_BUFFER_MINUTES",
            "WINDOW_CLOSES_BEFORE_S",
        )
        for value in ("", "many", "1.5", "-1", "9999999999")
    ),
    *(("EMAIL_PORT", value) for value in ("", "smtp", "0", "65536")),
    *(("EMAIL_SECURITY", value) for value in ("", "ssl", "yes")),
    *(("EMAIL_FROM", value) for value in ("", "risk", "Risk desk", "@firm.example", "risk@")),
    *(("PUBLIC_URL", value) for value in ("", "risk.example.com", "ftp://risk.example.com", "https://risk.example.com/x")),
    ("EMAIL_PASSWORD_FILE", "/nowhere/at/all"),
    ("WEBHOOK_PRIVATE_ADDRESSES", "ja"),
    ("SESSION_HOURS", "0"),
    ("SESSION_HOURS", "25"),
    ("DATABASE_POOL_SIZE", "1"),
    ("BUDGET_SAFETY_MARGIN", "5000"),
    ("BUDGET_URGENT_SHARE_PCT", "91"),
    *(("SENTRY_DSN", value) for value in ("sentry", "https://sentry.example/1")),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "otel.example:4318"),
    ("METRICS_TOKEN", "x" * 31),
    ("METRICS_TOKEN_FILE", "/nowhere/at/all"),
    *(("METRICS_ADDRESSES", value) for value in ("prometheus", "10.0.0.0/99")),
    *(("LOG_FORMAT", value) for value in ("", "xml")),
    *(("BACKUP_KEEP_DAYS", value) for value in ("", "0", "many")),
    *((name, "0") for name in ("KEEP_MESSAGES_DAYS", "KEEP_SYNC_RUNS_DAYS", "KEEP_CAUGHT_MAIL_DAYS")),
    ("ATTACHMENTS_MAX", "11"),
    ("ATTACHMENT_MAX_MB", "0"),
    ("TICKET_PATTERN", "("),
    ("TICKET_PATTERN", "[0-9]*"),
    ("TICKET_EXAMPLE", "no number"),
    ("TICKET_LINK", "javascript:{ticket}"),
    ("TICKET_LINK", "https://help.example/tickets/"),
    ("TICKET_LINK", "https://{ticket}.example/"),
    *(
        ("LIMIT_CAPS", value)
        for value in (
            "10000",
            "[]",
            '{"daily_loss_auto_liq_usd": 10000}',
            '{"daily_loss_auto_liq_usd": {}}',
            '{"daily_loss_auto_liq_usd": {"max": 0}}',
            '{"daily_loss_auto_liq_usd": {"max": "10000"}}',
            '{"daily_loss_auto_liq_usd": {"max": true}}',
            '{"daily_loss_auto_liq_usd": {"max": NaN}}',
            '{"daily_loss_auto_liq_usd": {"most": 10000}}',
        )
    ),
    *(("EXCHANGE_CALENDARS", value) for value in ("", " , ")),
    ("HOURS_KNOWN_DAYS", "13"),
    ("WINDOW_CLOSES_BEFORE_S", "29"),
    *(
        ("MAINTENANCE_WINDOWS", value)
        for value in (
            "never",
            "16:00-17:00",
            "Mon 16:00",
            "Mon 4pm-5pm",
            "Monday 16:00-17:00",
            "Mon 16:00-17:00, Tue 16:00-17:00",
            "Mon 16:00-17:00; Moon 16:00-17:00",
            "Mon 16:00-17:00; Foo 16:00-17:00",
            "Mon-Foo 16:00-17:00",
            "Mon 25:00-26:00",
            "Mon 16:60-17:00",
            "Mon 16:00-24:01",
            "Mon 17:00-16:00",
            "Mon 16:00-16:00",
            "Mon 16:00-Mon 15:00",
            "Mon-Tue 22:00-Wed 06:00",
        )
    ),
    *(("DATABASE_URL", value) for value in ("", "nonsense", "mysql://root@127.0.0.1/x", "sqlite:///x", "postgresql://[::1/x")),
    *(("REDIS_URL", value) for value in ("", "nonsense", "http://127.0.0.1", "redis://127.0.0.1:port")),
    *(("TRUSTED_PROXIES", value) for value in ("proxy", "10.0.0.0/99", "10.0.0.1,x")),
    *(("TIME_ZONE_DISPLAY", value) for value in ("", "Mars/Olympus", "../../etc/passwd", "America")),
    *(("LOG_LEVEL", value) for value in ("", "LOUD", "10")),
    *(
        (f"TRADOVATE_{environment}_URL", value)
        for environment in ("DEMO", "LIVE")
        for value in (
            "https://evil.example/v1",
            "https://demo.tradovateapi.com.evil.example/v1",
            "https://demo.tradovateapi.com@evil.example/v1",
            "https://user:password@demo.tradovateapi.com/v1",
            "https://evil.example\\@demo.tradovateapi.com/v1",
            "http://demo.tradovateapi.com/v1",
            "http://live.tradovateapi.com/v1",
            "ftp://127.0.0.1/v1",
            "//127.0.0.1/v1",
            "127.0.0.1/v1",
            "http://127.0.0.1",
            "http://127.0.0.1/v2",
            "http://127.0.0.1/v1?x=/v1",
            "http://127.0.0.1/#/v1",
            "http://127.0.0.1:port/v1",
            "http://[::1/v1",
            "http://169.254.169.254/v1",
            "https:///v1",
        )
    ),
    # What is meant for one environment must not reach the other.
    ("TRADOVATE_DEMO_URL", "https://live.tradovateapi.com/v1"),
    ("TRADOVATE_LIVE_URL", "https://demo.tradovateapi.com/v1"),
]


def test_a_bad_value_is_refused_with_its_variables_name(subtests: pytest.Subtests) -> None:
    signed_in = {"TRADOVATE_USERNAME": "u", "TRADOVATE_PASSWORD": "p"}
    for name, value in BAD:
        with (
            subtests.test(name, value=value),
            pytest.MonkeyPatch.context() as patch,
            pytest.raises(ImproperlyConfigured, match=rf"\b{name}\b"),
        ):
            load(patch, **{**signed_in, name: value})


def test_every_bad_value_is_named_at_once_and_none_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        load(
            monkeypatch,
            SECRET_KEY="hush",
            DEBUG="ja",
            SESSION_HOURS="many",
            CALLS_AT_ONCE="201",
            DATABASE_URL="postgresql://us:hush@[::1/x",
            LIMIT_CAPS='{"daily_loss_auto_liq_usd": {"max": "10000"}}',
        )
    assert str(refused.value).splitlines() == [
        "Environment variables are wrong (`.env.example` explains each):",
        "  SECRET_KEY: must be at least 32 random characters, here or in the file that SECRET_KEY_FILE names",
        "  SESSION_HOURS: must be a whole number",
        "  DEBUG: must be true or false",
        "  DATABASE_URL: must be a postgresql:// address, such as postgresql://user@host/name",
        "  CALLS_AT_ONCE: Input should be less than or equal to 200",
        "  LIMIT_CAPS.daily_loss_auto_liq_usd.max: must be a number",
    ]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://us:p%40ss@db:5433/risk", ("us", "p@ss", "db", "5433", "risk", {})),
        ("postgresql://us@/risk?host=/run/pg", ("us", "", "/run/pg", "", "risk", {})),
        ("postgres://db/risk?sslmode=verify-full", ("", "", "db", "", "risk", {"sslmode": "verify-full"})),
    ],
)
def test_the_database_is_that_of_the_address(monkeypatch: pytest.MonkeyPatch, url: str, found: tuple[object, ...]) -> None:
    database = load(monkeypatch, DATABASE_URL=url, DATABASE_POOL_SIZE="5")["DATABASES"]["default"]
    pool = database["OPTIONS"].pop("pool")
    assert tuple(database[name] for name in ("USER", "PASSWORD", "HOST", "PORT", "NAME", "OPTIONS")) == found
    assert (database["ENGINE"], pool["max_size"]) == ("django.db.backends.postgresql", 5)


def test_caps_are_exact_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch)["LIMIT_CAPS"] == {}
    caps = '{"daily_loss_auto_liq_usd": {"max": 10000, "max_pct_of_size": 2.1}}'
    assert load(monkeypatch, LIMIT_CAPS=caps)["LIMIT_CAPS"] == {
        "daily_loss_auto_liq_usd": {"max": Decimal(10_000), "max_pct_of_size": Decimal("2.1")}
    }


def of_week(day: int, clock: str) -> timedelta:
    """From Monday 00:00 until that time of a day, counted from 0."""
    hour, minute = clock.split(":")
    return timedelta(days=day, hours=int(hour), minutes=int(minute))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        (" ; ", []),
        ("Mon 16:00-17:00", [(0, "16:00", 0, "17:00")]),
        ("  mon   16:00 - 17:00 ;", [(0, "16:00", 0, "17:00")]),
        ("Tue-Thu 16:00-17:00", [(day, "16:00", day, "17:00") for day in (1, 2, 3)]),
        ("Sat-Mon 00:00-24:00", [(day, "00:00", day, "24:00") for day in (5, 6, 0)]),
        ("Sat 22:00-Sun 06:30", [(5, "22:00", 6, "06:30")]),
        ("Sun 22:00-Mon 06:30", [(6, "22:00", 7, "06:30")]),
        ("Fri 20:00-Tue 06:00; Wed 16:00-Wed 17:00", [(4, "20:00", 8, "06:00"), (2, "16:00", 2, "17:00")]),
    ],
)
def test_what_comes_every_week_is_read_from_words(
    monkeypatch: pytest.MonkeyPatch, value: str, expected: list[tuple[int, str, int, str]]
) -> None:
    assert load(monkeypatch, MAINTENANCE_WINDOWS=value)["MAINTENANCE_WINDOWS"] == [
        (of_week(day, begins), of_week(last_day, ends)) for day, begins, last_day, ends in expected
    ]


def test_maintenance_is_tradovates_unless_set(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch)["MAINTENANCE_WINDOWS"] == [
        *((of_week(day, "16:00"), of_week(day, "17:00")) for day in range(4)),
        (of_week(4, "16:00"), of_week(4, "20:00")),
        (of_week(5, "22:00"), of_week(6, "06:30")),
    ]


def test_a_week_that_cant_be_read_is_quoted_with_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImproperlyConfigured, match="'Foo 16:00-17:00' can't be read: Foo is no day; they are Mon, Tue"):
        load(monkeypatch, MAINTENANCE_WINDOWS="Mon 16:00-17:00; Foo 16:00-17:00")


@pytest.mark.parametrize("missing", ["TRADOVATE_USERNAME", "TRADOVATE_PASSWORD"])
def test_an_address_needs_a_sign_in(monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    variables = {
        "TRADOVATE_DEMO_URL": "http://127.0.0.1:1/v1",
        "TRADOVATE_USERNAME": "u",
        "TRADOVATE_PASSWORD": "p",
    }
    del variables[missing]
    with pytest.raises(ImproperlyConfigured, match=missing):
        load(monkeypatch, **variables)


@pytest.mark.parametrize(
    ("url", "environment", "extra"),
    [
        ("https://demo.tradovateapi.com/v1", "demo", ""),
        ("https://demo.tradovateapi.com/v1/", "demo", ""),
        ("https://live.tradovateapi.com/v1", "live", ""),
        ("http://127.0.0.1:4000/v1", "demo", ""),
        ("http://localhost/v1", "live", ""),
        ("http://[::1]:4000/v1", "demo", ""),
        ("https://proxy.example:8443/tradovate/v1", "live", "proxy.example"),
    ],
)
def test_a_good_address_is_taken(monkeypatch: pytest.MonkeyPatch, url: str, environment: str, extra: str) -> None:
    variables = {"TRADOVATE_USERNAME": "u", "TRADOVATE_PASSWORD": "p", "TRADOVATE_EXTRA_HOSTS": extra}
    variables[f"TRADOVATE_{environment.upper()}_URL"] = f" {url} "
    assert load(monkeypatch, **variables)["TRADOVATE_URLS"][environment] == url.rstrip("/")


@pytest.mark.parametrize("value", ["$ecret", "$PATH", "$$", r"\$x", "  kept  ", "#x", "a,b=c"])
def test_a_text_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert load(monkeypatch, TRADOVATE_PASSWORD=value)["TRADOVATE_PASSWORD"] == value


def test_a_secret_can_come_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("y" * 40 + "\n", encoding="utf-8")
    assert load(monkeypatch, SECRET_KEY_FILE=str(file))["SECRET_KEY"] == "y" * 40


def test_the_environment_overrides_a_settings_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("SESSION_HOURS=3\nLOG_LEVEL=DEBUG\nTRADOVATE_SEC=${HOME}$x\n", encoding="utf-8")
    settings = load(monkeypatch, ENV_FILE=str(file), LOG_LEVEL="ERROR")
    for name in ("SESSION_HOURS", "TRADOVATE_SEC"):
        monkeypatch.delenv(name)  # the file is read into the environment
    assert (settings["SESSION_COOKIE_AGE"], settings["LOGGING"]["root"]["level"]) == (3 * 3600, "ERROR")
    assert settings["TRADOVATE_SEC"] == "${HOME}$x"


@pytest.mark.parametrize(
    ("redis_url", "broker_url"),
    [
        ("redis://127.0.0.1:6379/3", "redis://127.0.0.1:6379/3"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock"),
        ("unix:///run/redis.sock?db=3", "redis+socket:///run/redis.sock?virtual_host=3"),
    ],
)
def test_the_broker_is_that_redis(monkeypatch: pytest.MonkeyPatch, redis_url: str, broker_url: str) -> None:
    assert load(monkeypatch, REDIS_URL=redis_url)["CELERY_BROKER_URL"] == broker_url


def test_behind_tls_everything_is_sent_over_it_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, HTTPS="true", TRUSTED_PROXIES="10.0.0.0/8, 192.0.2.1")
    assert settings["SESSION_COOKIE_SECURE"] is settings["CSRF_COOKIE_SECURE"] is settings["SECURE_SSL_REDIRECT"] is True
    assert settings["SECURE_PROXY_SSL_HEADER"] == ("HTTP_X_FORWARDED_PROTO", "https")
    assert settings["TRUSTED_PROXIES"] == ["10.0.0.0/8", "192.0.2.1"]
    assert load(monkeypatch, HTTPS="true")["SECURE_PROXY_SSL_HEADER"] is None

"""The environment variables that riskadmin reads, typed, with their defaults; `.env.example` explains each.

Bad ones are refused at start, all of them at once, each with its name and what it must be.
"""

import json
import os
import re
from base64 import b64decode
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from email.utils import parseaddr
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import quote, urlsplit
from zoneinfo import ZoneInfo

import psycopg
import redis
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv
from psycopg.conninfo import conninfo_to_dict
from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from riskadmin.audit.proof.verify_export import Key
from riskadmin.secrecy import Secret, SecretUrl
from riskadmin.tradovate.addresses import checked_base_url
from riskadmin.tradovate.errors import WrongEnvironment
from riskadmin.tradovate.vocabulary import Environment

PROJECT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENTS: Final = {"TRADOVATE_DEMO_URL": Environment.DEMO, "TRADOVATE_LIVE_URL": Environment.LIVE}
OTHER_ROLES: Final = ("DATABASE_OWNER_URL", "DATABASE_AUDITOR_URL", "DATABASE_ADMIN_URL")
ROLES: Final = frozenset({"support", "supervisor", "compliance", "administrator"})
ISSUER_MAX: Final = 200
ED25519_BYTES: Final = 32
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
WEEKLY: Final = re.compile(
    r"(?P<first>[a-z]{3})(\s*-\s*(?P<last>[a-z]{3}))?\s+(?P<begins>\d\d:\d\d)"
    r"\s*-\s*((?P<ends_on>[a-z]{3})\s+)?(?P<ends>\d\d:\d\d)"
)
ATTACHMENTS_MAX_MB: Final = 60
"""What all the files of one request may have together."""

WORDS: Final = {
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "is_instance_of": "must be a number",
    "string_pattern_mismatch": "must be max or max_pct_of_size",
    "string_too_short": "must be at least 32 random characters, here or in the file that SECRET_KEY_FILE names",
}
"""Said in place of pydantic's own messages, by their types."""


def _names(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _network(text: str) -> str:
    ip_network(text, strict=False)  # its message is for people
    return text


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # not a key, a directory, unknown
        raise ValueError("must be the name of a time zone, such as America/Chicago") from error
    return name


def _caps(text: str) -> object:
    try:
        return json.loads(text or "{}", parse_float=Decimal, parse_int=Decimal)  # exact; NaN stays a float, and is no cap
    except ValueError as error:
        raise ValueError('must be JSON, such as {"daily_loss_auto_liq_usd": {"max": 10000, "max_pct_of_size": 10}}') from error


def _weekly(text: str) -> list[tuple[timedelta, timedelta]]:
    """Return weekly spans as begin and end from Monday 00:00: "Mon-Thu 16:00-17:00; Sat 22:00-Sun 06:30"; none for "".

    "Mon-Thu 16:00-17:00" is four spans. A span that ends on another day names that day; after Sunday, the end is past seven
    days.
    """
    found = []
    for part in filter(None, map(str.strip, text.split(";"))):
        try:
            found.extend(_each_week(part.lower()))
        except ValueError as error:
            raise ValueError(
                'must be days and times of a week, such as "Mon-Thu 16:00-17:00; Sat 22:00-Sun 06:30", or empty;'
                f" {part!r} can't be read: {error}"
            ) from error
    return found


def _each_week(part: str) -> list[tuple[timedelta, timedelta]]:
    """Read one part of `weekly`, in lower case. `ValueError` says what is wrong with it."""
    read = WEEKLY.fullmatch(part)
    if read is None:
        raise ValueError("it is not of the form Day HH:MM-HH:MM, Day-Day HH:MM-HH:MM, or Day HH:MM-Day HH:MM")
    first = _day(read["first"])
    last = _day(read["last"] or read["first"])
    begins, ends = _time_of_day(read["begins"]), _time_of_day(read["ends"])
    if read["ends_on"] is None:
        if begins >= ends:
            raise ValueError("it ends before it begins; one that ends on another day names that day")
        days = (timedelta(days=(first + after) % 7) for after in range((last - first) % 7 + 1))
        return [(day + begins, day + ends) for day in days]
    if read["last"]:
        raise ValueError("it names days for its begin, and another one for its end")
    lasts = timedelta(days=(_day(read["ends_on"]) - first) % 7) + ends - begins
    if lasts <= timedelta():
        raise ValueError("it ends before it begins")
    return [(timedelta(days=first) + begins, timedelta(days=first) + begins + lasts)]


def _day(short: str) -> int:
    if short not in DAYS:
        raise ValueError(f"{short.capitalize()} is no day; they are {', '.join(day.capitalize() for day in DAYS)}")
    return DAYS.index(short)


def _time_of_day(text: str) -> timedelta:
    hour, minute = int(text[:2]), int(text[3:])
    found = timedelta(hours=hour, minutes=minute)
    if minute > 59 or found > timedelta(days=1):  # noqa: PLR2004  (an hour's minutes)
        raise ValueError(f"{text} is no time of day")
    return found


def _ticket_pattern(text: str) -> str:
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise ValueError(f"must be a regular expression: {error}") from error
    if pattern.fullmatch(""):
        raise ValueError("must not match an empty text: a request without a ticket is always accepted")
    return text


def _ticket_link(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.hostname or text.count("{ticket}") != 1):
        raise ValueError("must be an http or https address with {ticket} once, such as https://help.example/tickets/{ticket}")
    if "{" in parts.netloc:
        raise ValueError("must have {ticket} after the name of the host")
    return text


def _host_and_port(text: str) -> tuple[str, int] | None:
    if not text:
        return None
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) <= 65_535:  # noqa: PLR2004  (the highest port)
        raise ValueError("must be a host and a port, such as clamd.example.com:3310")
    return host.strip("[]"), int(port)


def _from_file(text: str, info: ValidationInfo) -> str:
    """Return the content of the file that the variable's `…_FILE` names, or the text where there is none."""
    path = os.environ.get(f"{info.field_name}_FILE")
    try:
        return Path(path).read_text(encoding="utf-8").strip() if path else text
    except (OSError, UnicodeError) as error:
        raise ValueError(f"can't be read from the file that {info.field_name}_FILE names: {type(error).__name__}") from error


def _password_beside(info: ValidationInfo) -> Secret:
    """Return the password that goes with an address and is set apart from it, such as DATABASE_PASSWORD for DATABASE_URL."""
    return Secret(info.data.get(str(info.field_name).replace("_URL", "_PASSWORD"), ""))


def _database(url: str, info: ValidationInfo) -> dict[str, Any]:
    """Return Django's database settings for a PostgreSQL address, and the password that is set apart from it."""
    try:
        found = conninfo_to_dict(url) if url.startswith(("postgresql://", "postgres://")) else {}
    except psycopg.Error:  # it quotes the address, which may hold a password
        found = {}
    if not found:
        raise ValueError("must be a postgresql:// address, such as postgresql://user@host/name")
    names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
    known = {name: found.pop(parameter, "") for name, parameter in names.items()}
    known["PASSWORD"] = _password_beside(info) or Secret(known["PASSWORD"])
    if "sslpassword" in found:
        found["sslpassword"] = Secret(found["sslpassword"])
    return {"ENGINE": "django.db.backends.postgresql", **known, "OPTIONS": found}


def _other_database(url: str, info: ValidationInfo) -> dict[str, Any] | None:
    return _database(url, info) if url else None


def _redis_url(url: str, info: ValidationInfo) -> SecretUrl:
    """Return a Redis address with the password that is set apart from it."""
    password = _password_beside(info)
    try:
        if password:
            parts = urlsplit(url)
            user, host = (parts.username or "").replace("@", "%40"), parts.netloc.rpartition("@")[2]
            # Put together by hand: urlunsplit takes away the slashes of an address without a host.
            query = f"?{parts.query}" if parts.query else ""
            url = f"{parts.scheme}://{user}:{quote(password, safe='')}@{host}{parts.path}{query}"
        redis.Redis.from_url(url).close()  # does not connect yet
    except ValueError:  # it may quote the address
        raise ValueError("must be a redis://, rediss:// or unix:// address") from None
    return SecretUrl(url)


def _origin(url: str) -> str:
    """Return the address at which people reach the pages, without a path."""
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path.strip("/") or parts.query or parts.username:
        raise ValueError("must be an address without a path, such as https://risk.example.com")
    return f"{parts.scheme}://{parts.netloc}"


def _issuer(url: str) -> str:
    """Return the address of an identity provider as its tokens name it: https, or http on this machine."""
    parts = urlsplit(url)
    if url and (not parts.hostname or parts.query or len(url) > ISSUER_MAX):
        raise ValueError("must be the issuer's address, such as https://login.example.com/realms/firm")
    if url and parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in {"localhost", "127.0.0.1"}):
        raise ValueError("must be an https address")
    return url


def _roles(text: str) -> object:
    try:
        found = json.loads(text or "{}")
    except ValueError as error:
        raise ValueError('must be JSON such as {"risk-supervisors": "supervisor"}') from error
    if not isinstance(found, dict) or not set(found.values()) <= ROLES:
        raise ValueError(f"must give each group one of the roles {', '.join(sorted(ROLES))}")
    return found


def _sender(text: str) -> str:
    name, address = parseaddr(text)
    local, _, host = address.rpartition("@")
    if not local or not host or "\n" in name:
        raise ValueError("must be an e-mail address, such as risk@example.com or Risk desk <risk@example.com>")
    return text


def _signing_key(text: str) -> str:
    """Check an Ed25519 key as its 32 random bytes in Base64."""
    with suppress(ValueError):
        if not text or len(b64decode(text, validate=True)) == ED25519_BYTES:
            return text
    raise ValueError("must be 32 random bytes in Base64, as `openssl rand -base64 32` makes them")


def _http_address(url: str) -> str:
    parts = urlsplit(url)
    if url and (parts.scheme not in {"http", "https"} or not parts.hostname or parts.username):
        raise ValueError("must be an http or https address without a password")
    return url


FROM_FILE: Final = BeforeValidator(_from_file)
"""Marks a secret: a file can hold it, which NAME_FILE names."""

SecretText = Annotated[str, AfterValidator(Secret), FROM_FILE]
SecretTexts = Annotated[list[Annotated[str, AfterValidator(Secret)]], BeforeValidator(_names), FROM_FILE]
Database = Annotated[dict[str, Any], BeforeValidator(_database), FROM_FILE]
OtherDatabase = Annotated[dict[str, Any] | None, BeforeValidator(_other_database), FROM_FILE]
Names = Annotated[list[str], BeforeValidator(_names)]
Networks = Annotated[list[Annotated[str, AfterValidator(_network)]], BeforeValidator(_names)]
CapName = Annotated[str, Field(pattern=r"^max(_pct_of_size)?$")]
Cap = Annotated[dict[CapName, Annotated[Decimal, Field(strict=True, gt=0)]], Field(min_length=1)]


class Variables(BaseSettings):
    """A field for each variable. Lists are separated by commas. What is secret can be in a file instead (FROM_FILE)."""

    model_config = SettingsConfigDict(case_sensitive=True, enable_decoding=False, frozen=True, hide_input_in_errors=True)

    SECRET_KEY: SecretText = Field(default="", min_length=32)
    SECRET_KEY_FALLBACKS: SecretTexts = Field(default="", validate_default=True)
    ENCRYPTION_KEY: SecretText = Field(default="", pattern="^(.{32,})?$")
    ENCRYPTION_KEY_FALLBACKS: SecretTexts = Field(default="", validate_default=True)
    ALLOWED_HOSTS: Names = Field(default="127.0.0.1,localhost", validate_default=True)
    CSRF_TRUSTED_ORIGINS: Names = Field(default="", validate_default=True)
    HTTPS: bool = True
    HSTS_PRELOAD: bool = False
    TRUSTED_PROXIES: Networks = Field(default="", validate_default=True)
    SESSION_HOURS: int = Field(default=12, ge=1, le=24)
    SESSION_IDLE_MINUTES: int = Field(default=30, ge=5, le=720)
    RECENT_PROOF_MINUTES: int = Field(default=10, ge=1, le=60)
    PEOPLE_LOOKBACK_DAYS: int = Field(default=30, ge=1, le=365)
    PASSWORD_FORBIDDEN_WORDS: Names = Field(default="", validate_default=True)
    PASSWORD_BREACH_FILE: str = ""
    SECOND_FACTOR_REQUIRED: Literal["", "everyone", "acting", "off"] = ""
    TOTP_TOLERANCE: int = Field(default=0, ge=0, le=1)
    SSO_ISSUER: Annotated[str, AfterValidator(_issuer)] = ""
    SSO_NAME: str = Field(default="single sign-on", min_length=1, max_length=40)
    SSO_CLIENT_ID: str = ""
    SSO_CLIENT_SECRET: SecretText = ""
    SSO_SCOPES: Names = Field(default="openid,profile,email", validate_default=True)
    SSO_LINK_BY: Literal["email", "username", "none"] = "email"
    SSO_CREATES_PEOPLE: bool = False
    SSO_GROUPS_CLAIM: str = "groups"
    SSO_ROLES: Annotated[dict[str, str], BeforeValidator(_roles)] = Field(default="", validate_default=True)
    SSO_SECOND_FACTOR: Names = Field(default="", validate_default=True)
    DEBUG: bool = False

    AUDIT_SIGNING_KEY: Annotated[str, AfterValidator(_signing_key), AfterValidator(Secret), FROM_FILE] = ""
    AUDIT_PUBLIC_KEYS: Annotated[
        list[Annotated[str, AfterValidator(lambda text: str(Key.parse(text)))]], BeforeValidator(_names)
    ] = Field(default="", validate_default=True)
    AUDIT_ORIGIN: str = Field(default="riskadmin/audit", pattern=r"^[^\s+]{1,100}$")
    AUDIT_SEAL_SECONDS: int = Field(default=5, ge=1, le=300)
    AUDIT_ANCHOR_SECONDS: int = Field(default=300, ge=10, le=86_400)
    AUDIT_ANCHOR_LATE_SECONDS: int = Field(default=3600, ge=60, le=604_800)
    AUDIT_ANCHOR_FILE: str = ""
    AUDIT_ANCHOR_S3: Annotated[str, AfterValidator(_http_address)] = ""
    AUDIT_ANCHOR_S3_REGION: str = "us-east-1"
    AUDIT_ANCHOR_S3_ACCESS_KEY: str = ""
    AUDIT_ANCHOR_S3_SECRET_KEY: SecretText = ""
    AUDIT_ANCHOR_S3_RETAIN_DAYS: int = Field(default=1827, ge=1, le=36_500)
    AUDIT_ANCHOR_TSA: Annotated[str, AfterValidator(_http_address)] = ""
    AUDIT_ANCHOR_TSA_CERTIFICATES: str = ""

    DATABASE_PASSWORD: SecretText = ""
    DATABASE_URL: Database = Field(default="postgresql://riskadmin_app@127.0.0.1/riskadmin", validate_default=True)
    DATABASE_OWNER_PASSWORD: SecretText = ""
    DATABASE_OWNER_URL: OtherDatabase = Field(default="", validate_default=True)
    DATABASE_AUDITOR_PASSWORD: SecretText = ""
    DATABASE_AUDITOR_URL: OtherDatabase = Field(default="", validate_default=True)
    DATABASE_ADMIN_PASSWORD: SecretText = ""
    DATABASE_ADMIN_URL: OtherDatabase = Field(default="", validate_default=True)
    DATABASE_POOL_SIZE: int = Field(default=16, ge=2, le=200)
    REDIS_PASSWORD: SecretText = ""
    REDIS_URL: Annotated[str, AfterValidator(_redis_url), FROM_FILE] = "redis://127.0.0.1:6379/0"
    CELERY_BROKER_URL: Annotated[str, AfterValidator(SecretUrl), FROM_FILE] = ""

    TRADOVATE_EXTRA_HOSTS: Names = Field(default="", validate_default=True)
    TRADOVATE_DEMO_URL: str = ""
    TRADOVATE_LIVE_URL: str = ""
    TRADOVATE_USERNAME: str = ""
    TRADOVATE_PASSWORD: SecretText = ""
    TRADOVATE_APP_ID: str = "riskadmin"
    TRADOVATE_APP_VERSION: str = "1.0"
    TRADOVATE_CID: str = ""
    TRADOVATE_SEC: SecretText = ""
    TRADOVATE_DEVICE_ID: str = ""
    BUDGET_CALLS_PER_HOUR: int = Field(default=5000, ge=1, le=1_000_000)
    BUDGET_SAFETY_MARGIN: int = Field(default=25, ge=0)
    BUDGET_ADDRESS: str = ""
    BUDGET_URGENT_SHARE_PCT: int = Field(default=10, ge=0, le=90)
    CALLS_AT_ONCE: int = Field(default=16, ge=1, le=200)
    LIMITS_PER_CALL: int = Field(default=100, ge=1, le=10_000)
    LIMIT_CAPS: Annotated[dict[str, Cap], BeforeValidator(_caps)] = Field(default="", validate_default=True)
    SYNC_SECONDS: int = Field(default=180, ge=10, le=3600)
    STALE_SECONDS: int = Field(default=300, ge=10, le=86_400)
    APPROVAL_ASKS_NUMBER_FROM: int = Field(default=100, ge=0, le=1_000_000)
    APPROVALS_TOGETHER_UP_TO: int = Field(default=25, ge=0, le=1000)
    EXCHANGE_CALENDARS: Names = Field(
        default="CME Globex Equity, CMEGlobex_FX, CMEGlobex_EnergyAndMetals, CME Globex Interest Rate Products",
        min_length=1,
        validate_default=True,
    )
    HOURS_KNOWN_DAYS: int = Field(default=365, ge=14, le=1096)
    MAINTENANCE_WINDOWS: Annotated[list[tuple[timedelta, timedelta]], BeforeValidator(_weekly)] = Field(
        default="Mon-Thu 16:00-17:00; Fri 16:00-20:00; Sat 22:00-Sun 06:30", validate_default=True
    )
    MAINTENANCE_BUFFER_MINUTES: int = Field(default=30, ge=0, le=240)
    WINDOW_CLOSES_BEFORE_S: int = Field(default=120, ge=30, le=3600)

    TICKET_PATTERN: Annotated[str, AfterValidator(_ticket_pattern)] = "[A-Za-z]{1,10}-?[0-9]{1,10}|#?[0-9]{1,12}"
    TICKET_EXAMPLE: str = "HELP-1234"
    ATTACHMENTS_MAX: int = Field(default=3, ge=0, le=10)
    ATTACHMENT_MAX_MB: int = Field(default=5, ge=1, le=25)
    VIRUS_SCANNER: Annotated[tuple[str, int] | None, BeforeValidator(_host_and_port)] = Field(default="", validate_default=True)
    TICKET_LINK: Annotated[str, AfterValidator(_ticket_link)] = ""
    PUBLIC_URL: Annotated[str, AfterValidator(_origin)] = "http://localhost:8000"
    EMAIL_HOST: str = ""
    EMAIL_PORT: int = Field(default=587, ge=1, le=65_535)
    EMAIL_USER: str = ""
    EMAIL_PASSWORD: SecretText = ""
    EMAIL_SECURITY: Literal["starttls", "tls", "none"] = "starttls"
    EMAIL_FROM: Annotated[str, AfterValidator(_sender)] = "riskadmin@localhost"
    EMAIL_FOLDER: str = ""
    WEBHOOK_PRIVATE_ADDRESSES: bool = False

    SENTRY_DSN: SecretText = Field(default="", pattern="^(https?://.+@.+/.+)?$")
    SENTRY_ENVIRONMENT: str = ""
    OTEL_EXPORTER_OTLP_ENDPOINT: str = Field(default="", pattern="^(https?://.+)?$")

    BACKUP_FOLDER: str = ""
    BACKUP_KEEP_DAYS: int = Field(default=14, ge=1, le=3650)
    KEEP_MESSAGES_DAYS: int = Field(default=90, ge=1, le=3650)
    KEEP_SYNC_RUNS_DAYS: int = Field(default=90, ge=1, le=3650)
    KEEP_CAUGHT_MAIL_DAYS: int = Field(default=30, ge=1, le=3650)

    METRICS_TOKEN: SecretText = Field(default="", pattern="^(.{32,})?$")
    METRICS_ADDRESSES: Networks = Field(default="", validate_default=True)

    RATE_LIMITS: bool = True
    REQUEST_SECONDS: int = Field(default=120, ge=5, le=3600)
    TIME_ZONE_DISPLAY: Annotated[str, AfterValidator(_zone)] = "America/Chicago"
    STATIC_ROOT: str = ""
    LOG_FORMAT: Literal["json", "line"] = "json"
    LOG_LEVEL: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(str.upper)] = "INFO"

    RISKADMIN_DEMO: bool = False
    DEMO_PASSWORD: str = "demo"  # noqa: S105  (known to all, on purpose)
    ENV_FILE: str = ""

    @field_validator(*ENVIRONMENTS)
    @classmethod
    def _base_url(cls, text: str, info: ValidationInfo) -> str:
        """Return an environment's base URL, with `/v1` and without a trailing slash.

        Only https to that environment's own host, an extra host, or loopback is accepted: the access token is sent there, and
        a call meant for demo must not reach live. The client applies the same rule.
        """
        url = text.strip().rstrip("/")
        if not url:
            return ""
        try:
            checked_base_url(url, ENVIRONMENTS[str(info.field_name)], extra_hosts=info.data.get("TRADOVATE_EXTRA_HOSTS", []))
            parts = urlsplit(url)
            _ = parts.port  # raises ValueError for a port that is not a number
        except (ValueError, WrongEnvironment) as error:
            raise ValueError(f"is refused: {error}. Other hosts are listed in TRADOVATE_EXTRA_HOSTS") from error
        if not parts.path.endswith("/v1"):
            raise ValueError("must be an address that ends with /v1, as Tradovate documents them")
        return url

    @field_validator("ATTACHMENT_MAX_MB")
    @classmethod
    def _fits_in_memory(cls, size: int, info: ValidationInfo) -> int:
        if size * info.data.get("ATTACHMENTS_MAX", 0) > ATTACHMENTS_MAX_MB:
            raise ValueError(f"times ATTACHMENTS_MAX may be {ATTACHMENTS_MAX_MB} at most: files on their way are in memory")
        return size

    @field_validator("TICKET_EXAMPLE")
    @classmethod
    def _is_a_ticket(cls, example: str, info: ValidationInfo) -> str:
        if not re.fullmatch(info.data.get("TICKET_PATTERN", ".*"), example):
            raise ValueError("must match TICKET_PATTERN: a person who mistypes a ticket is shown it")
        return example

    @field_validator("BUDGET_SAFETY_MARGIN")
    @classmethod
    def _leaves_calls(cls, margin: int, info: ValidationInfo) -> int:
        if margin >= info.data.get("BUDGET_CALLS_PER_HOUR", margin + 1):
            raise ValueError("must be less than BUDGET_CALLS_PER_HOUR")
        return margin

    @model_validator(mode="after")
    def _roles_differ(self) -> Self:
        """Refuse one role for two tasks, and addresses of different databases."""
        tasks = {"DATABASE_URL": self.DATABASE_URL, **{name: getattr(self, name) for name in OTHER_ROLES}}
        given = {name: address for name, address in tasks.items() if address}
        if len(given) == 1:
            return self
        users = [address["USER"] for address in given.values()]
        if "" in users or len(set(users)) < len(users):
            raise ValueError(f"{', '.join(given)} must each name a user, and not the same one")
        if len({address["NAME"] for name, address in given.items() if name != "DATABASE_ADMIN_URL"}) > 1:
            raise ValueError(f"{', '.join(given)} must lead to the same database")
        return self

    @model_validator(mode="after")
    def _knows_the_provider(self) -> Self:
        if self.SSO_ISSUER and not self.SSO_CLIENT_ID:
            raise ValueError("SSO_CLIENT_ID must be set: SSO_ISSUER is")
        return self

    @model_validator(mode="after")
    def _has_sign_in(self) -> Self:
        missing = [name for name in ("TRADOVATE_USERNAME", "TRADOVATE_PASSWORD") if not getattr(self, name)]
        if missing and (self.TRADOVATE_DEMO_URL or self.TRADOVATE_LIVE_URL):
            raise ValueError(f"{' and '.join(missing)} must be set: a Tradovate address is, and riskadmin has to sign in there")
        return self


SECRETS: Final = tuple(name for name, field in Variables.model_fields.items() if FROM_FILE in field.metadata)
"""The variables that a file can hold."""


def read() -> Variables:
    """Return the variables, including those of the file `.env`, or ENV_FILE. Raises ImproperlyConfigured, without values."""
    # A developer's own settings. Real deployments set the environment itself, which overrides the file.
    load_dotenv(os.environ.get("ENV_FILE") or PROJECT / ".env", interpolate=False)
    try:
        return Variables()
    except ValidationError as error:
        words = [(each["loc"], WORDS.get(each["type"], each["msg"].removeprefix("Value error, "))) for each in error.errors()]
        refusals = [": ".join(filter(None, (".".join(map(str, where)), what))) for where, what in words]
        message = "\n  ".join(["Environment variables are wrong (`.env.example` explains each):", *refusals])
        raise ImproperlyConfigured(message) from None

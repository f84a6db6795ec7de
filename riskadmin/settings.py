"""All settings, read from the environment and checked at start. `.env.example` lists each with its default."""

from pathlib import Path

from csp.constants import NONE, SELF

from riskadmin.env import read
from riskadmin.logs.config import logging_config
from riskadmin.secrecy import SecretUrl

BASE_DIR = Path(__file__).resolve().parent.parent
env = read()

# --- Security -------------------------------------------------------------------------------------------------------
DEBUG = env.DEBUG
SECRET_KEY = env.SECRET_KEY
SECRET_KEY_FALLBACKS = env.SECRET_KEY_FALLBACKS
# What is stored encrypted: the first key seals, each of them opens.
ENCRYPTION_KEYS = (
    [env.ENCRYPTION_KEY, *env.ENCRYPTION_KEY_FALLBACKS]
    if env.ENCRYPTION_KEY
    else [env.SECRET_KEY, *env.ENCRYPTION_KEY_FALLBACKS, *env.SECRET_KEY_FALLBACKS]
)
ALLOWED_HOSTS = env.ALLOWED_HOSTS
CSRF_TRUSTED_ORIGINS = env.CSRF_TRUSTED_ORIGINS
# Behind TLS: cookies are then sent over TLS only. Assumed unless said otherwise, but for the demo and for debugging.
HTTPS = env.HTTPS and ("HTTPS" in env.model_fields_set or not (env.DEBUG or env.RISKADMIN_DEMO))
TRUSTED_PROXIES = env.TRUSTED_PROXIES  # the proxies whose X-Forwarded-* headers are trusted
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
# Probes and Prometheus don't use TLS. The API refuses what comes without, since a program would follow a redirect each time.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^metrics$", r"^api/"]
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS and TRUSTED_PROXIES else None
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = HTTPS
SECURE_HSTS_PRELOAD = HTTPS and env.HSTS_PRELOAD
# W021 asks for HSTS_PRELOAD. It puts a whole domain on browsers' lists, for months, which its owner has to decide.
SILENCED_SYSTEM_CHECKS = ["security.W021"]
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_ENGINE = "riskadmin.staff.sessions.store"
SESSION_COOKIE_AGE = env.SESSION_HOURS * 3600
SESSION_IDLE_MINUTES = env.SESSION_IDLE_MINUTES
# Browsers take a cookie with this prefix only over TLS, for this host alone. Over plain HTTP there is no such cookie.
COOKIE_PREFIX = "__Host-" if HTTPS else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid", f"{COOKIE_PREFIX}csrftoken"
# After so many minutes, what matters most asks people again who they are (`recent_proof` in riskadmin.web.access).
RECENT_PROOF_MINUTES = env.RECENT_PROOF_MINUTES
# For so many days a lost role, and what was done to a person's sign-in, count for who may reset them or give them roles.
PEOPLE_LOOKBACK_DAYS = env.PEOPLE_LOOKBACK_DAYS
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CSRF_FAILURE_VIEW = "riskadmin.web.errors.csrf_failure"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],  # Tabler's stylesheet contains its small images as data URLs
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# --- Packages ----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "riskadmin.staff",  # before Django's auth: its command `changepassword` replaces the one that leaves no event
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "csp",
    "ninja",
    "django_htmx",
    "riskadmin.database",
    "riskadmin.web",
    "riskadmin.audit",
    "riskadmin.audit.proof",
    "riskadmin.staff.sign_in",
    "riskadmin.staff.duty",
    "riskadmin.staff.people",
    "riskadmin.staff.tokens",
    "riskadmin.staff.sessions",
    "riskadmin.notifications",
    "accounts",
    "accounts.access",
    "accounts.approvals",
    "accounts.changes",
    "accounts.changes.reasons",
    "accounts.limit_templates",
    "accounts.execution",
    "accounts.outside",
    "accounts.story",
    "accounts.api",
    "riskadmin.operations",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "riskadmin.web.request_id.RequestIdMiddleware",
    "riskadmin.logs.access_log.AccessLogMiddleware",
    "riskadmin.operations.metrics.requests.RequestMetricsMiddleware",
    "riskadmin.web.headers.HeadersMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "riskadmin.web.body_limits.BodyLimitMiddleware",  # before everything that could read a body
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "riskadmin.staff.tokens.bearer.TokenMiddleware",
    "riskadmin.staff.preferences.middleware.TimeZoneMiddleware",
    "riskadmin.staff.refused_requests.RefusedRequestMiddleware",
    "riskadmin.staff.read_pages.ReadPagesMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "riskadmin.staff.sessions.middleware.SessionsMiddleware",
    # In this order: who may not is turned away first, then what another site sent; both before any of the form is read.
    "riskadmin.staff.sign_in.requirement.SecondFactorMiddleware",
    "riskadmin.web.access.AccessMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "riskadmin.web.rate_limits.RateLimitMiddleware",
]
ROOT_URLCONF = "riskadmin.urls"
WSGI_APPLICATION = "riskadmin.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "riskadmin.web.context.frame",
            ],
        },
    },
]
# The navigation in the page frame: label, url name, icon, capability.
NAVIGATION = [
    ("Home", "home", "home", "accounts:view"),
    ("Accounts", "accounts:list", "wallet", "accounts:view"),
    ("Changes", "changes:list", "list-check", "changes:view"),
    ("Calendar", "changes:calendar", "calendar-event", "changes:view"),
    ("Approvals", "approvals:inbox", "gavel", "changes:view", "approvals:waiting_count"),
    ("Unknown outcomes", "execution:unresolved", "help-circle", "changes:view", "execution:unresolved_count"),
    ("Audit", "audit:list", "history", "audit:view"),
    ("Templates", "limit_templates:list", "adjustments", "changes:view"),
    ("Duty", "duty:page", "user-check", "duty:view"),
    ("People", "people:list", "user-circle", "staff:view", "people:waiting_count"),
    ("Accounts of staff", "access:related", "user-check", "related:view"),
    ("Outbox", "notifications:outbox", "send", "notifications:manage"),
    ("Policy", "approvals:policy", "scale", "policy:view"),
    ("Reasons", "reasons:list", "info-circle", "reasons:manage"),
    ("System", "system", "activity", "system:view"),
    ("Connections", "connections:page", "switch-horizontal", "connections:manage"),
    ("Budget", "usage:page", "hourglass", "system:view"),
    ("Risk categories", "accounts:categories", "switch-horizontal", "accounts:view"),
]

# --- People ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "staff.Staff"
LOGIN_URL = "staff:sign_in"
LOGIN_REDIRECT_URL = "home"
PROOF_URL = "sessions:prove"  # where people confirm who they are
DEMO = env.RISKADMIN_DEMO  # allows people with a publicly known password
DEMO_PASSWORD = env.DEMO_PASSWORD
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
PASSWORD_FORBIDDEN_WORDS = ["riskadmin", "tradovate", "ninjatrader", *env.PASSWORD_FORBIDDEN_WORDS]
PASSWORD_BREACH_FILE = env.PASSWORD_BREACH_FILE
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    # Of Django's own list 190 are long enough to be anybody's password here; of this one all 20,000 are.
    {
        "NAME": "django.contrib.auth.password_validation.CommonPasswordValidator",
        "OPTIONS": {"password_list_path": BASE_DIR / "riskadmin/staff/sign_in/common_passwords.txt.gz"},
    },
    {"NAME": "riskadmin.staff.sign_in.password_rules.OwnWordsValidator"},
    {"NAME": "riskadmin.staff.sign_in.password_rules.BreachedPasswordValidator"},
]

# --- Sign-in: allauth's flows, with this project's own pages, events and throttle (riskadmin/staff/sign_in) -----------
ACCOUNT_ADAPTER = "riskadmin.staff.sign_in.adapter.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False  # they count by address alone, and in a cache; the throttle does neither
ACCOUNT_LOGIN_TIMEOUT = 600  # how long the second step of a sign-in may take, in seconds
MFA_ADAPTER = "riskadmin.staff.sign_in.adapter.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_WEBAUTHN_USER_VERIFICATION = "required"  # the device checks the person, so a passkey is two factors in one
MFA_TOTP_ISSUER = "riskadmin"
MFA_TOTP_TOLERANCE = env.TOTP_TOLERANCE
MFA_RATE_LIMITS = False  # as above
# Who has to have a second factor: everyone, or everyone who may do more than look. The demo begins without.
SECOND_FACTOR_REQUIRED = env.SECOND_FACTOR_REQUIRED or ("off" if DEMO else "everyone")
# Single sign-on. Off while SSO_ISSUER is empty.
SSO_ISSUER = env.SSO_ISSUER
SSO_NAME = env.SSO_NAME
SSO_LINK_BY = env.SSO_LINK_BY
SSO_CREATES_PEOPLE = env.SSO_CREATES_PEOPLE
SSO_GROUPS_CLAIM = env.SSO_GROUPS_CLAIM
SSO_ROLES = env.SSO_ROLES
SSO_SECOND_FACTOR = env.SSO_SECOND_FACTOR
SOCIALACCOUNT_ADAPTER = "riskadmin.staff.sign_in.adapter.SocialAccountAdapter"
SOCIALACCOUNT_STORE_TOKENS = False
SOCIALACCOUNT_PROVIDERS = {
    "openid_connect": {
        "OAUTH_PKCE_ENABLED": True,
        "APPS": [
            {
                # The issuer is a part of who somebody is: another one may use the same subjects for others.
                "provider_id": env.SSO_ISSUER,
                "name": env.SSO_NAME,
                "client_id": env.SSO_CLIENT_ID,
                "secret": env.SSO_CLIENT_SECRET,
                "settings": {"server_url": env.SSO_ISSUER.rstrip("/"), "scope": env.SSO_SCOPES},
            }
        ],
    }
}
# A browser on which somebody has signed in; the prefix makes browsers refuse it over plain HTTP or from another host.
DEVICE_COOKIE_NAME = "__Host-device" if HTTPS else "device"
# No cache: nothing that decides who may do what rests on a process's memory, nor on Redis.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}

# --- PostgreSQL and Redis -------------------------------------------------------------------------------------------
# A pool, so that a worker's threads can return their connection while they wait for Tradovate.
POOL = {"min_size": 1, "max_size": env.DATABASE_POOL_SIZE, "timeout": 10}
DATABASES = {"default": {**env.DATABASE_URL, "OPTIONS": {**env.DATABASE_URL["OPTIONS"], "pool": POOL}}}
# Only the commands that need these get them: `migrate` the owner, `create_database_roles` all three.
APPLICATION_ROLE = env.DATABASE_URL["USER"]
DATABASE_OWNER = env.DATABASE_OWNER_URL
DATABASE_AUDITOR = env.DATABASE_AUDITOR_URL
DATABASE_ADMIN = env.DATABASE_ADMIN_URL
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
REDIS_URL = env.REDIS_URL

# --- Celery: messages carry ids only, PostgreSQL is the queue of record ------------------------------------------------
# Celery writes the address of a Redis socket, and the database there, differently from redis-py.
BROKER_URL = SecretUrl(REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=", 1))
CELERY_BROKER_URL = env.CELERY_BROKER_URL or BROKER_URL
CELERY_TASK_IGNORE_RESULT = True
# Acknowledged when begun: a lane's task runs for as long as the lane has work, which may be hours, and a message that is not
# acknowledged would be delivered again meanwhile. Whatever a killed worker had begun, the sweeper finds in PostgreSQL.
CELERY_TASK_ACKS_LATE = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# The visibility timeout is for messages that a worker has fetched and not begun: those of a killed one are delivered again
# after it, those of a busy one too, which is harmless. Nothing waits for that: beat and the sweeper send new ones all the time.
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 120,
    "unacked_restore_interval": 5,
    "unacked_restore_throttle": 1,
    # Publishing must fail fast: a web request waits for it, and the sweeper sends again what was not published.
    "socket_timeout": 5,
    "socket_connect_timeout": 2,
    "retry_on_timeout": False,
    # Retry once, immediately, for a connection that Redis has closed. kombu would wait for six seconds.
    "max_retries": 1,
    "interval_start": 0,
}
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
# No one controls workers over the broker: anyone who can write to Redis could stop them, or read their settings.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TASK_SEND_SENT_EVENT = False

# --- Tradovate ------------------------------------------------------------------------------------------------------
TRADOVATE_EXTRA_HOSTS = env.TRADOVATE_EXTRA_HOSTS
TRADOVATE_URLS = {"demo": env.TRADOVATE_DEMO_URL, "live": env.TRADOVATE_LIVE_URL}
TRADOVATE_USERNAME = env.TRADOVATE_USERNAME
TRADOVATE_PASSWORD = env.TRADOVATE_PASSWORD
TRADOVATE_APP_ID = env.TRADOVATE_APP_ID
TRADOVATE_APP_VERSION = env.TRADOVATE_APP_VERSION
TRADOVATE_CID = env.TRADOVATE_CID
TRADOVATE_SEC = env.TRADOVATE_SEC
TRADOVATE_DEVICE_ID = env.TRADOVATE_DEVICE_ID
# Tradovate allows one user 5,000 calls in any hour. The margin is never used; the share is reserved for the urgent lane.
BUDGET_CALLS_PER_HOUR = env.BUDGET_CALLS_PER_HOUR
BUDGET_SAFETY_MARGIN = env.BUDGET_SAFETY_MARGIN
# All callers from one internet address share the limits of single endpoints there.
BUDGET_ADDRESS = env.BUDGET_ADDRESS
BUDGET_URGENT_SHARE_PCT = env.BUDGET_URGENT_SHARE_PCT
CALLS_AT_ONCE = env.CALLS_AT_ONCE  # per worker process, in each lane
# Accounts per updateuserautoliqs call. No cap is documented, and a refusal refuses the whole call.
LIMITS_PER_CALL = env.LIMITS_PER_CALL
LIMIT_CAPS = env.LIMIT_CAPS  # limits that no change may exceed; the changes app checks the names
SYNC_SECONDS = env.SYNC_SECONDS  # how often the whole mirror is read
STALE_SECONDS = env.STALE_SECONDS  # older rows are read before approval
APPROVAL_ASKS_NUMBER_FROM = env.APPROVAL_ASKS_NUMBER_FROM  # loosening more asks the approver for the number
# Changes with more items are not approved together with others, but opened one by one.
APPROVALS_TOGETHER_UP_TO = env.APPROVALS_TOGETHER_UP_TO
# When the exchange trades, when Tradovate is under maintenance (Chicago times), and the buffer of windows to both.
EXCHANGE_CALENDARS = env.EXCHANGE_CALENDARS
HOURS_KNOWN_DAYS = env.HOURS_KNOWN_DAYS
MAINTENANCE_WINDOWS = env.MAINTENANCE_WINDOWS
MAINTENANCE_BUFFER_MINUTES = env.MAINTENANCE_BUFFER_MINUTES
# A call claimed at the last moment of a window waits up to 5 s for its permit and 20 s for its answer.
WINDOW_CLOSES_BEFORE_S = env.WINDOW_CLOSES_BEFORE_S
# How a request names the ticket behind it, an example of it, and the address of a ticket.
TICKET_PATTERN = env.TICKET_PATTERN
TICKET_EXAMPLE = env.TICKET_EXAMPLE
TICKET_LINK = env.TICKET_LINK
# How many files a request may have, and how large each may be.
ATTACHMENTS_MAX = env.ATTACHMENTS_MAX
ATTACHMENT_MAX_BYTES = env.ATTACHMENT_MAX_MB * 1024 * 1024
VIRUS_SCANNER = env.VIRUS_SCANNER  # host and port of ClamAV's daemon, or None
# What beat starts, how often in seconds, and in which lane. A message is dropped once the next one is due.
CELERY_BEAT_SCHEDULE = {
    name: {"task": task, "args": args, "schedule": float(seconds), "options": {"queue": queue, "expires": seconds}}
    for name, task, args, seconds, queue in (
        ("sweep", "execution.sweep", [], 5, "urgent"),
        ("heartbeat-urgent", "execution.heartbeat", ["urgent"], 10, "urgent"),
        ("heartbeat-bulk", "execution.heartbeat", ["bulk"], 10, "bulk"),
        ("probe", "accounts.probe", [], 5, "urgent"),
        ("start", "changes.start", [], 5, "urgent"),
        ("attribute-moves", "outside.attribute", [], 10, "bulk"),
        ("expire", "changes.expire", [], 60, "bulk"),
        ("tell-expiring", "changes.remind_expiring", [], 60, "bulk"),
        ("tell-overdue-reviews", "changes.remind_reviews", [], 60, "bulk"),
        ("unused-numbers", "changes.record_unused_numbers", [], 3600, "bulk"),
        ("deliver-messages", "notifications.deliver", [], 5, "bulk"),
        ("seal", "proof.seal", [], env.AUDIT_SEAL_SECONDS, "bulk"),
        ("anchor", "proof.anchor", [], 30, "bulk"),
        ("export", "proof.export", [], 5, "bulk"),
        ("verify", "proof.verify", [], 86_400, "bulk"),
        ("clean-up", "operations.clean_up", [], 86_400, "bulk"),
        ("sync", "accounts.sync", [], SYNC_SECONDS, "bulk"),
    )
}

# --- Notifications ----------------------------------------------------------------------------------------------------
PUBLIC_URL = env.PUBLIC_URL  # links in e-mail and webhooks begin with it
EMAIL_IS_ON = bool(env.EMAIL_HOST or env.EMAIL_FOLDER)
EMAIL_BACKEND = f"django.core.mail.backends.{'filebased' if env.EMAIL_FOLDER else 'smtp'}.EmailBackend"
EMAIL_FILE_PATH = env.EMAIL_FOLDER or None
EMAIL_HOST = env.EMAIL_HOST
EMAIL_PORT = env.EMAIL_PORT
EMAIL_HOST_USER = env.EMAIL_USER
EMAIL_HOST_PASSWORD = env.EMAIL_PASSWORD
EMAIL_USE_TLS = env.EMAIL_SECURITY == "starttls"
EMAIL_USE_SSL = env.EMAIL_SECURITY == "tls"
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.EMAIL_FROM
WEBHOOK_PRIVATE_ADDRESSES = env.WEBHOOK_PRIVATE_ADDRESSES

# --- Proof of the audit trail (docs/security/proof.md) --------------------------------------------------------------------
AUDIT_SIGNING_KEY = env.AUDIT_SIGNING_KEY  # signs checkpoints; no one who owns the database may have it
AUDIT_PUBLIC_KEYS = env.AUDIT_PUBLIC_KEYS  # the public halves of earlier ones
AUDIT_ORIGIN = env.AUDIT_ORIGIN  # names this trail in each checkpoint
# Where checkpoints are handed, how often at most, and after how long bulk changes wait for it.
AUDIT_ANCHOR_SECONDS = env.AUDIT_ANCHOR_SECONDS
AUDIT_ANCHOR_LATE_SECONDS = env.AUDIT_ANCHOR_LATE_SECONDS
AUDIT_ANCHOR_FILE = env.AUDIT_ANCHOR_FILE
AUDIT_ANCHOR_S3 = env.AUDIT_ANCHOR_S3
AUDIT_ANCHOR_S3_REGION = env.AUDIT_ANCHOR_S3_REGION
AUDIT_ANCHOR_S3_ACCESS_KEY = env.AUDIT_ANCHOR_S3_ACCESS_KEY
AUDIT_ANCHOR_S3_SECRET_KEY = env.AUDIT_ANCHOR_S3_SECRET_KEY
AUDIT_ANCHOR_S3_RETAIN_DAYS = env.AUDIT_ANCHOR_S3_RETAIN_DAYS
AUDIT_ANCHOR_TSA = env.AUDIT_ANCHOR_TSA
AUDIT_ANCHOR_TSA_CERTIFICATES = env.AUDIT_ANCHOR_TSA_CERTIFICATES

# --- Telemetry: nothing is sent anywhere unless set -----------------------------------------------------------------------
SENTRY_DSN = env.SENTRY_DSN
SENTRY_ENVIRONMENT = env.SENTRY_ENVIRONMENT
OTEL_EXPORTER_OTLP_ENDPOINT = env.OTEL_EXPORTER_OTLP_ENDPOINT
if OTEL_EXPORTER_OTLP_ENDPOINT:
    MIDDLEWARE.insert(
        MIDDLEWARE.index("riskadmin.web.request_id.RequestIdMiddleware") + 1,
        "riskadmin.operations.telemetry.tracing.TracingMiddleware",
    )

# --- Backups and retention ----------------------------------------------------------------------------------------------
BACKUP_FOLDER = env.BACKUP_FOLDER or str(BASE_DIR / ".run" / "backups")
BACKUP_KEEP_DAYS = env.BACKUP_KEEP_DAYS
BACKUP_DATABASE = env.DATABASE_OWNER_URL or env.DATABASE_URL  # as the role that may read, and restore, everything
KEEP_MESSAGES_DAYS = env.KEEP_MESSAGES_DAYS
KEEP_SYNC_RUNS_DAYS = env.KEEP_SYNC_RUNS_DAYS
KEEP_CAUGHT_MAIL_DAYS = env.KEEP_CAUGHT_MAIL_DAYS

# --- Metrics ----------------------------------------------------------------------------------------------------------
# Without either, /metrics is closed.
METRICS_TOKEN = env.METRICS_TOKEN
METRICS_ADDRESSES = env.METRICS_ADDRESSES

# --- Pages ----------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-us"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
TIME_ZONE_DISPLAY = env.TIME_ZONE_DISPLAY  # Tradovate's sessions begin at 17:00 there
STATIC_URL = "/static/"
STATIC_ROOT = Path(env.STATIC_ROOT or BASE_DIR / ".run" / "static")
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
        if DEBUG
        else "whitenoise.storage.CompressedManifestStaticFilesStorage",
    },
}
# Of a form everything but its files; a view takes less unless it says so (riskadmin/web/body_limits.py). Files stay in memory,
# whose most is what a view accepts: nothing of a request is ever written to a disk by the web server.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler"]
FILE_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024
RATE_LIMITS = env.RATE_LIMITS  # of previews, exports, files and searches, by person
REQUEST_SECONDS = env.REQUEST_SECONDS  # within which a request's body has to arrive
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"

# --- Logs -----------------------------------------------------------------------------------------------------------
LOGGING = logging_config(form=env.LOG_FORMAT, level=env.LOG_LEVEL)

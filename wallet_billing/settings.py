"""Settings, all from the environment; see environment.py for what each variable means."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from celery.schedules import crontab
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from wallet_billing import environment
from wallet_billing.logs import logging_settings

BASE_DIR = Path(__file__).resolve().parent.parent

# ---------------------------------------------------------------- where and who
SECRET_KEY = environment.text("SECRET_KEY")
SECRET_KEY_FALLBACKS = environment.items("SECRET_KEY_FALLBACKS")
DEBUG = environment.flag("DEBUG")
SITE_URL = environment.text("SITE_URL").rstrip("/")
_site = urlsplit(SITE_URL)
if _site.scheme not in ("http", "https") or not _site.hostname or _site.path or _site.query:
    raise ImproperlyConfigured(f"SITE_URL is {SITE_URL!r}: set it to scheme and host alone, as in https://billing.example.com")
SERVED_OVER_HTTPS = _site.scheme == "https"
ALLOWED_HOSTS = [_site.hostname, *environment.items("ALLOWED_HOSTS")]
CSRF_TRUSTED_ORIGINS = [SITE_URL]
TRUSTED_PROXY_COUNT = environment.whole_number("TRUSTED_PROXY_COUNT", most=5)

OPERATOR_NAME = environment.text("OPERATOR_NAME")
OPERATOR_ADDRESS = environment.text("OPERATOR_ADDRESS").split("|")
SUPPORT_EMAIL = environment.text("SUPPORT_EMAIL")

# ---------------------------------------------------------------- what is installed
INSTALLED_APPS = [
    "console.apps.ConsoleAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.forms",
    "django_htmx",
    "csp",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "wallet_billing",
    "workspaces",
    "wallet",
    "usage",
    "billing",
    "console",
]

MIDDLEWARE = [
    # First what is true of every answer, refusals and faults included.
    "wallet_billing.middleware.ClientAddress",
    "wallet_billing.middleware.RequestLog",
    "workspaces.api.answers.ApiAnswers",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "wallet_billing.middleware.SecureAnswers",
    "wallet_billing.health.Health",
    "console.metrics.Metrics",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "workspaces.acting.ActorOfRequest",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "wallet_billing.middleware.NoNul",
    "wallet_billing.middleware.Unavailable",
]

ROOT_URLCONF = "wallet_billing.urls"
WSGI_APPLICATION = "wallet_billing.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# ---------------------------------------------------------------- PostgreSQL
DATABASES: dict[str, dict[str, Any]] = {"default": environment.database("DATABASE_URL")}
if environment.text("DATABASE_OWNER_URL"):
    DATABASES["owner"] = environment.database("DATABASE_OWNER_URL")
for _database in DATABASES.values():
    _database["CONN_HEALTH_CHECKS"] = True
    _database["CONN_MAX_AGE"] = 60
    # A wait for a lock that lasts this long is a fault to report, not to sit out.
    _database["OPTIONS"] = {"options": "-c lock_timeout=10s -c idle_in_transaction_session_timeout=60s"}
# The app's statements are short; the owner's migrations may take their time.
DATABASES["default"]["OPTIONS"]["options"] += " -c statement_timeout=60s"
# Rows here are added and never changed or removed: manage.py prepare_database withholds UPDATE and DELETE from the app's role.
APPEND_ONLY_TABLES = ["wallet_transfer", "usage_event", "workspaces_auditentry", "wallet_seal", "wallet_dayseal"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# ---------------------------------------------------------------- Redis and Celery
REDIS_URL = environment.address("REDIS_URL", schemes=("redis", "rediss", "unix"))
# Counts tries at signing in. Where Redis is away each process counts for itself.
CACHES: dict[str, dict[str, Any]] = {
    "default": {
        "BACKEND": "wallet_billing.cache.ForgivingRedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "web",
        "OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 1},
    }
}
CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
# A lost worker's message comes back: each task is safe to run twice, none is safe to forget.
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = 120
CELERY_TASK_SOFT_TIME_LIMIT = 100
# No second try to reach the queue: by default a request would wait six seconds for each message that it wants to send.
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 300, "socket_timeout": 5, "socket_connect_timeout": 2, "max_retries": 0}
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY = False
# Webhooks wait for strangers: in a queue of their own, they keep no payment waiting where a worker takes that queue alone.
CELERY_TASK_QUEUES = tuple(Queue(name, Exchange(name), routing_key=name) for name in ("celery", "webhooks"))
CELERY_TASK_ROUTES = {"wallet.tasks.deliver_webhook": {"queue": "webhooks"}}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "send-invitations": {"task": "workspaces.tasks.sweep_invitations", "schedule": 60.0},
    "forget-kept-answers": {"task": "workspaces.tasks.forget_old_requests", "schedule": 3600.0},
    # One that waited for its worker longer than until the next is dropped: they would all wake the same rows.
    "sweep-money": {"task": "wallet.tasks.sweep", "schedule": 30.0, "options": {"expires": 30.0}},
    "expire-holds": {"task": "wallet.tasks.expire_due_holds", "schedule": 15.0},
    "settle-lab-calls": {"task": "usage.tasks.settle_lab_calls", "schedule": 15.0, "options": {"expires": 15.0}},
    "reconcile-with-stripe": {"task": "wallet.tasks.reconcile_recent_payments", "schedule": 3600.0},
    "tidy-webhooks": {"task": "wallet.tasks.tidy_webhooks", "schedule": 3600.0},
    "tell-of-spikes": {"task": "billing.tasks.tell_of_spikes", "schedule": 15 * 60.0, "options": {"expires": 15 * 60.0}},
    "sweep-exports": {"task": "billing.tasks.sweep_exports", "schedule": 30.0, "options": {"expires": 30.0}},
    # At a time of day, not after so many hours: a beat that is started anew every day would never come to it.
    "tell-of-expiring-cards": {"task": "wallet.tasks.tell_of_expiring_cards", "schedule": crontab(hour="8", minute="0")},
    "seal-days": {"task": "wallet.tasks.seal_days", "schedule": 3600.0},
    "reconcile-last-month": {"task": "wallet.tasks.reconcile_last_month", "schedule": crontab(hour="3", minute="20")},
}

# ---------------------------------------------------------------- Stripe
STRIPE_SECRET_KEY = environment.text("STRIPE_SECRET_KEY")
STRIPE_WEBHOOK_SECRETS = environment.items("STRIPE_WEBHOOK_SECRET")
STRIPE_API_BASE = environment.text("STRIPE_API_BASE")
STRIPE_LIVE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
AUTOMATIC_CHARGES_PER_HOUR_MAX = environment.whole_number("AUTOMATIC_CHARGES_PER_HOUR_MAX", most=1_000_000)
SECOND_PERSON_ABOVE = environment.whole_number("SECOND_PERSON_ABOVE", most=1_000_000)
STRIPE_CHECKOUT_ORIGIN = environment.text("STRIPE_CHECKOUT_ORIGIN").rstrip("/")
if not STRIPE_SECRET_KEY.startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
    raise ImproperlyConfigured(
        "STRIPE_SECRET_KEY must be a secret or restricted key: it starts with sk_test_, rk_test_, sk_live_ or rk_live_."
    )
if STRIPE_LIVE and STRIPE_API_BASE:
    raise ImproperlyConfigured(
        "STRIPE_API_BASE is set beside a live key: unset it, or use a test key. The sandbox must never see a live key."
    )
if STRIPE_LIVE and not SERVED_OVER_HTTPS:
    raise ImproperlyConfigured("STRIPE_SECRET_KEY is a live key, so SITE_URL must start with https://.")

# ---------------------------------------------------------------- exports
EXPORT_KEPT_DAYS = environment.whole_number("EXPORT_KEPT_DAYS", most=365)
EXPORTS_AT_ONCE = environment.whole_number("EXPORTS_AT_ONCE", most=100)
if not EXPORT_KEPT_DAYS or not EXPORTS_AT_ONCE:
    raise ImproperlyConfigured("Set EXPORT_KEPT_DAYS and EXPORTS_AT_ONCE to 1 or more, or leave them unset.")

# ---------------------------------------------------------------- outgoing webhooks
WEBHOOKS_ALLOW_PRIVATE_TARGETS = environment.flag("WEBHOOKS_ALLOW_PRIVATE_TARGETS")

# ---------------------------------------------------------------- metrics: answered where there is a token, and to whoever has it
METRICS_TOKENS = environment.items("METRICS_TOKEN")
METRICS_TOKEN_CHARACTERS_MIN = 32
if any(len(token) < METRICS_TOKEN_CHARACTERS_MIN or not token.isascii() for token in METRICS_TOKENS):
    raise ImproperlyConfigured(f"METRICS_TOKEN is too easy to guess: set it to {METRICS_TOKEN_CHARACTERS_MIN} random characters or more.")

# ---------------------------------------------------------------- connectors: each is switched on by its secret
TWILIO_AUTH_TOKENS = environment.items("TWILIO_AUTH_TOKEN")
VAPI_WEBHOOK_SECRETS = environment.items("VAPI_WEBHOOK_SECRET")
RETELL_API_KEYS = environment.items("RETELL_API_KEY")

# ---------------------------------------------------------------- people
AUTH_USER_MODEL = "workspaces.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
PASSWORD_RESET_TIMEOUT = 3600
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/"
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = _site.scheme
ACCOUNT_ADAPTER = "workspaces.sign_in.AccountAdapter"
ACCOUNT_SIGNUP_FORM_CLASS = "workspaces.forms.SignupForm"
ACCOUNT_FORMS = {
    "login": "workspaces.account_forms.LoginForm",
    "signup": "workspaces.account_forms.SignupForm",
    "reset_password": "workspaces.account_forms.ResetPasswordForm",
    "reset_password_from_key": "workspaces.account_forms.ResetPasswordKeyForm",
    "change_password": "workspaces.account_forms.ChangePasswordForm",
    "add_email": "workspaces.account_forms.NewEmailForm",
    "reauthenticate": "workspaces.account_forms.ReauthenticateForm",
}
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_USER_DISPLAY = "workspaces.sign_in.display_name"
# One address per account; a new one takes over once it is confirmed.
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGOUT_ON_GET = False
MFA_FORMS = {
    "authenticate": "workspaces.account_forms.CodeForm",
    "reauthenticate": "workspaces.account_forms.CodeAgainForm",
    "activate_totp": "workspaces.account_forms.ActivateTOTPForm",
}
MFA_ADAPTER = "workspaces.sign_in.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = OPERATOR_NAME
STAFF_SECOND_FACTOR = environment.flag("STAFF_SECOND_FACTOR")

# ---------------------------------------------------------------- mail
globals().update(environment.mail("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = environment.text("DEFAULT_FROM_EMAIL")
SERVER_EMAIL = DEFAULT_FROM_EMAIL

# ---------------------------------------------------------------- security
SESSION_COOKIE_NAME = "__Host-session" if SERVED_OVER_HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if SERVED_OVER_HTTPS else "csrf"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SERVED_OVER_HTTPS
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_AGE = 14 * 24 * 3600
# Pages are redirected to HTTPS, to our own host whatever the request says; what machines ask is refused (wallet_billing.middleware).
SECURE_SSL_REDIRECT = SERVED_OVER_HTTPS
SECURE_SSL_HOST = _site.netloc
SECURE_REDIRECT_EXEMPT = ["^api/", "^webhooks/", "^healthz$", "^readyz$", "^metrics$"]
SECURE_HSTS_SECONDS = 2 * 365 * 24 * 3600 if SERVED_OVER_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = SERVED_OVER_HTTPS
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF, STRIPE_CHECKOUT_ORIGIN],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024

# ---------------------------------------------------------------- logs
LOGGING = logging_settings()

# ---------------------------------------------------------------- pages
FORM_RENDERER = "wallet_billing.rendering.ProductRenderer"
LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "wallet_billing.formats"
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_DIRS = [BASE_DIR / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

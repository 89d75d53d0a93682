"""Django's settings for the hosted pages: templates and routing, no database, no sessions, no apps."""

import secrets
from pathlib import Path

# Nothing is signed with it, and nothing outlives the process.
SECRET_KEY = secrets.token_hex()
DEBUG = False
# The pages answer to whatever the phone beside the machine calls it; they build no address from the Host header.
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "stripe_sandbox.pages.urls"
INSTALLED_APPS: list[str] = []
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "stripe_sandbox.pages.headers.content_security_policy",
]
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "no-referrer"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [Path(__file__).parent / "templates"],
        "OPTIONS": {"context_processors": [], "string_if_invalid": ""},
    }
]
USE_I18N = False
USE_TZ = True
DATABASES: dict[str, dict[str, str]] = {}
LOGGING_CONFIG = None

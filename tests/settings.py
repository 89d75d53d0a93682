"""The product's settings for tests in this process: cheap passwords, static files without a manifest, a database that tests may copy."""

from wallet_billing.settings import *  # noqa: F403 -- tests run on the product's settings, whatever they become
from wallet_billing.settings import INSTALLED_APPS, STORAGES

# Brings the `flush` command that puts a fresh copy of the template in place of a database that a test has written to.
INSTALLED_APPS = [*INSTALLED_APPS, "tests"]
PASSWORD_HASHERS = ["tests.hashers.CheapHasher"]
STORAGES = {**STORAGES, "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
# Looked for when asked for: otherwise every test's first client would read hundreds of files before its first request.
WHITENOISE_AUTOREFRESH = True

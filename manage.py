#!/usr/bin/env python
"""Django's command line. What is wrong with the environment is said in one sentence, before any command runs."""

import os
import sys

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "wallet_billing.settings")
    try:
        # Reading any setting reads them all.
        _ = settings.SITE_URL
    except ImproperlyConfigured as error:
        sys.exit(str(error))
    execute_from_command_line(sys.argv)

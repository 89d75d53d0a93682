"""The console's place in Django, and the admin site that it is."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class ConsoleConfig(AppConfig):
    name = "console"
    default = True


class ConsoleAdminConfig(admin_apps.AdminConfig):
    """Django's admin, with our site as the one that every app registers at."""

    default = False
    default_site = "console.site.ConsoleSite"

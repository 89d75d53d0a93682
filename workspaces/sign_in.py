"""How django-allauth is fitted in: links from SITE_URL, a mail server that is away, second factors encrypted at rest."""

import base64
import hashlib
from smtplib import SMTPException
from typing import Any
from urllib.parse import urljoin

import structlog
from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.urls import reverse

from workspaces.models import User

logger = structlog.get_logger(__name__)


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]  # django-allauth publishes no types
    """Sign-up, sign-in and the mails about them."""

    def get_email_confirmation_url(self, request: HttpRequest, emailconfirmation: Any) -> str:
        """Never from the Host header, which the sender of the request chooses."""
        return urljoin(settings.SITE_URL, reverse("account_confirm_email", args=[emailconfirmation.key]))

    def get_reset_password_from_key_url(self, key: str) -> str:
        """As above. The key holds both parts of the address."""
        uid, _, secret = key.partition("-")
        return urljoin(settings.SITE_URL, reverse("account_reset_password_from_key", args=[uid, secret]))

    def unstash_verified_email(self, request: HttpRequest) -> str | None:
        """An invitation's address counts as proved if it is the one signed up with. It is never added to an account with another."""
        return None

    def send_mail(self, template_prefix: str, email: str, context_: dict[str, Any]) -> None:
        """A mail server that is away is said on the page; it is not a fault of the page."""
        names = {"operator": settings.OPERATOR_NAME, "support": settings.SUPPORT_EMAIL, "site_url": settings.SITE_URL}
        try:
            super().send_mail(template_prefix, email, {**context_, **names})
        except (OSError, SMTPException) as error:
            logger.warning("account_mail_not_sent", kind=template_prefix, error=str(error))
            messages.error(context.request, "The mail could not be sent just now. Try again in a few minutes.")


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]  # django-allauth publishes no types
    """Second factors. Their secrets are encrypted with a key made from SECRET_KEY: a stolen copy of the database holds none."""

    def encrypt(self, text: str) -> str:
        return _vault().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return _vault().decrypt(encrypted_text.encode()).decode()


def display_name(user: User) -> str:
    """How a person is addressed on pages and in mails."""
    return user.get_full_name()


def _vault() -> MultiFernet:
    """Writes with SECRET_KEY; reads with the earlier keys too, while they are being rotated."""
    return MultiFernet([_fernet(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _fernet(secret_key: str) -> Fernet:
    digest = hashlib.sha256(b"workspaces.second-factor:" + secret_key.encode()).digest()
    return Fernet(base64.urlsafe_b64encode(digest))

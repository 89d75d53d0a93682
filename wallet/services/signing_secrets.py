"""The secrets that sign outgoing webhooks: made, sealed under SECRET_KEY for the database, opened to sign.

A stolen copy of the database signs nothing. Knows no endpoint.
"""

import hmac
import secrets
from base64 import b64encode, urlsafe_b64encode

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from wallet.errors import SecretLost

SECRET_BYTES = 32
"""Standard Webhooks asks for 24 to 64."""
_PREFIX = "whsec_"
_PURPOSE = b"webhook-signing-secret"


def new_secret() -> str:
    """256 random bits, in the form that Standard Webhooks gives them."""
    return _PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def seal(secret: str) -> str:
    """What may stand in the database."""
    return _keys().encrypt(secret.encode()).decode()


def unseal(sealed: str) -> str:
    """The secret, sealed under SECRET_KEY or one of its fallbacks. Raises: SecretLost."""
    try:
        return _keys().decrypt(sealed).decode()
    except InvalidToken:
        raise SecretLost("The key that this endpoint's secret was kept under is gone. Make a new secret.") from None


def is_opened(sealed: str) -> bool:
    """Whether there is a key for it."""
    try:
        unseal(sealed)
    except SecretLost:
        return False
    return True


def reseal(sealed: str) -> str:
    """The same under SECRET_KEY itself, so that a fallback may go; unchanged where it is so already. Raises: SecretLost."""
    try:
        _keyed(settings.SECRET_KEY).decrypt(sealed)
    except InvalidToken:
        return seal(unseal(sealed))
    return sealed


def _keys() -> MultiFernet:
    return MultiFernet([_keyed(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _keyed(key: str) -> Fernet:
    return Fernet(urlsafe_b64encode(hmac.digest(key.encode(), _PURPOSE, "sha256")))

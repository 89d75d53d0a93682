"""Passwords that cost nothing to check. The product's own hasher reads them too, so whom a test made can sign in to the real thing."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class CheapHasher(PBKDF2PasswordHasher):
    """PBKDF2 as the product uses it, with one iteration."""

    iterations = 1

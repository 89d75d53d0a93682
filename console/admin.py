"""Registers what staff may read with Django's admin; each group of tables stands in a file of its own in records/."""

from console.records import books, events, payments, wallets

__all__ = ["books", "events", "payments", "wallets"]

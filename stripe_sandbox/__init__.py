"""A local stand-in for Stripe, for a first run and for tests: its own process, reached over HTTP alone.

The product never imports it, and it imports nothing of the product.
"""

API_VERSION = "2026-08-26.dahlia"

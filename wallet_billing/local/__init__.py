"""The local services of a first run: PostgreSQL and Valkey from wheels, and every process of the product.

It runs before Django can load its settings, so nothing in this package may import Django.
"""

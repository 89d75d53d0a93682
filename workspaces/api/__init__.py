"""What every API handler stands on: who asks, what may be sent, how often, at most once, and how a no is put.

Handlers themselves live in each app's own api.py; billing/api.py joins them. Nothing here knows of money or use.
"""

"""Providers of calls and messages: who signed a delivery, and which use it reports. Pure: no Django, no database, no prices.

A mapper judges as little as it can. What it cannot read goes into the event as it was sent, so that it is kept aside with a reason.
"""

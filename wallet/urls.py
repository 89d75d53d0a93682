"""Addresses for machines: Stripe's webhooks."""

from django.urls import path

from wallet import webhooks

app_name = "wallet"
urlpatterns = [path("webhooks/stripe", webhooks.stripe_webhook, name="stripe_webhook")]

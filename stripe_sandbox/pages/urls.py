"""Addresses of the hosted pages."""

from django.urls import path

from stripe_sandbox.pages import views

urlpatterns = [
    path("c/pay/<str:session_id>", views.checkout, name="checkout"),
    path("authenticate/<str:intent_id>", views.authenticate, name="authenticate"),
    path("receipts/<str:charge_id>", views.receipt, name="receipt"),
    path("assets/<str:name>", views.asset, name="asset"),
]
handler404 = "stripe_sandbox.pages.views.not_found"

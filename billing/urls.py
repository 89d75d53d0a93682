"""Addresses of the billing pages: those of a workspace under /w/<public_id>/settings/billing, and the public payment pages."""

from django.urls import include, path

from billing.views import add_balance, automatic, cards, links, overview, public, receipts, top_ups, workspaces

app_name = "billing"

of_one_workspace = [
    path("", overview.billing, name="billing"),
    path("/refresh", overview.refresh, name="refresh"),
    path("/add-balance", add_balance.add_balance, name="add_balance"),
    path("/top-ups/<uuid:top_up_id>", top_ups.top_up, name="top_up"),
    path("/automatic-payments", automatic.automatic_payments, name="automatic_payments"),
    path("/connect-card", links.connect_card, name="connect_card"),
    path("/links/<uuid:link_id>", links.payment_link, name="payment_link"),
    path("/links/<uuid:link_id>/email", links.email, name="email_link"),
    path("/links/<uuid:link_id>/withdraw", links.withdraw, name="withdraw_link"),
    path("/cards/<int:card_id>/default", cards.make_default, name="make_default_card"),
    path("/cards/<int:card_id>/backup", cards.make_backup, name="make_backup_card"),
    path("/cards/<int:card_id>/remove", cards.remove, name="remove_card"),
    path("/receipts/<str:receipt_number>.pdf", receipts.receipt_pdf, name="receipt_pdf"),
    path("/receipts/<str:receipt_number>", receipts.receipt, name="receipt"),
]

urlpatterns = [
    path("workspaces/new", workspaces.create_workspace, name="create_workspace"),
    path("w/<str:public_id>/settings/billing", include(of_one_workspace)),
    path("pay/<str:token>", public.pay, name="pay"),
    path("pay/<str:token>/return", public.pay_return, name="pay_return"),
]

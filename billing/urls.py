"""Addresses of the billing pages: those of a workspace under /w/<public_id>/settings/billing, and the public payment pages."""

from django.urls import include, path

from billing.api_reference import api_reference
from billing.views import (
    add_balance,
    automatic,
    cards,
    emails,
    exports,
    history,
    links,
    overview,
    public,
    receipts,
    statements,
    top_ups,
    webhooks,
    workspaces,
)

app_name = "billing"

of_one_workspace = [
    path("settings/billing", overview.billing, name="billing"),
    path("settings/billing/refresh", overview.refresh, name="refresh"),
    path("settings/billing/transactions.csv", exports.transactions_csv, name="export"),
    path("settings/billing/events.csv", exports.events_csv, name="export_events"),
    path("settings/billing/exports", exports.exports, name="exports"),
    path("settings/billing/exports/<uuid:export_id>.csv", exports.export_file, name="export_file"),
    path("settings/billing/transactions/<int:seq>", history.transaction, name="transaction"),
    path("settings/billing/add-balance", add_balance.add_balance, name="add_balance"),
    path("settings/billing/top-ups/<uuid:top_up_id>", top_ups.top_up, name="top_up"),
    path("settings/billing/automatic-payments", automatic.automatic_payments, name="automatic_payments"),
    path("settings/billing/automatic-payments/agreement", automatic.agreement, name="automatic_agreement"),
    path("settings/billing/automatic-payments/try-again", automatic.try_automatic_again, name="automatic_try_again"),
    path("settings/billing/automatic-payments/off", automatic.switch_automatic_off, name="automatic_off"),
    path("settings/billing/connect-card", links.connect_card, name="connect_card"),
    path("settings/billing/links/<uuid:link_id>", links.payment_link, name="payment_link"),
    path("settings/billing/links/<uuid:link_id>/email", links.email, name="email_link"),
    path("settings/billing/links/<uuid:link_id>/withdraw", links.withdraw, name="withdraw_link"),
    path("settings/billing/cards/<int:card_id>/default", cards.make_default, name="make_default_card"),
    path("settings/billing/cards/<int:card_id>/backup", cards.make_backup, name="make_backup_card"),
    path("settings/billing/cards/<int:card_id>/remove", cards.remove, name="remove_card"),
    path("settings/billing/e-mails", emails.emails, name="emails"),
    path("settings/billing/e-mails/low-balance", emails.low_balance, name="low_balance"),
    path("settings/webhooks", webhooks.endpoints, name="webhook_endpoints"),
    path("settings/webhooks/new", webhooks.new_endpoint, name="new_webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>", webhooks.endpoint, name="webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>/edit", webhooks.edit_endpoint, name="edit_webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>/switch", webhooks.switch_endpoint, name="switch_webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>/remove", webhooks.remove_endpoint, name="remove_webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>/test", webhooks.send_test, name="test_webhook_endpoint"),
    path("settings/webhooks/<int:endpoint_id>/resend", webhooks.resend_failed, name="resend_failed_webhooks"),
    path("settings/webhooks/<int:endpoint_id>/secret", webhooks.reveal_secret, name="reveal_webhook_secret"),
    path("settings/webhooks/<int:endpoint_id>/secret/new", webhooks.rotate_secret, name="rotate_webhook_secret"),
    path("settings/webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>", webhooks.delivery, name="webhook_delivery"),
    path("settings/webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/row", webhooks.delivery_row, name="webhook_delivery_row"),
    path("settings/webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/resend", webhooks.resend, name="resend_webhook"),
    path("settings/billing/statements/<str:month>.pdf", statements.statement_pdf, name="statement_pdf"),
    path("settings/billing/statements/<str:month>.csv", statements.statement_csv, name="statement_csv"),
    path("settings/billing/statements/<str:month>", statements.statement, name="statement"),
    path("settings/billing/receipts/<str:receipt_number>.pdf", receipts.receipt_pdf, name="receipt_pdf"),
    path("settings/billing/receipts/<str:receipt_number>", receipts.receipt, name="receipt"),
]

urlpatterns = [
    path("workspaces/new", workspaces.create_workspace, name="create_workspace"),
    path("w/<str:public_id>/", include(of_one_workspace)),
    path("docs/api", api_reference, name="api_reference"),
    path("pay/<str:token>", public.pay, name="pay"),
    path("pay/<str:token>/return", public.pay_return, name="pay_return"),
]

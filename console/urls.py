"""The console's own addresses, below /admin/. Each says which roles it is for; the sweep over all addresses reads it there."""

from typing import TYPE_CHECKING, Any

from django.urls import URLPattern, path

from console.views import exports, kept, operations, prices, reconciliation, wallets, webhooks, what_if
from workspaces.staff import EVERY_ROLE, StaffRole, staff_required

if TYPE_CHECKING:
    from console.site import ConsoleSite

FINANCE, PRICING = StaffRole.FINANCE, StaffRole.PRICING


def console_urls(site: "ConsoleSite") -> list[URLPattern]:
    """Pages first, then acts; names are admin:console_…"""

    def page(address: str, view: Any, name: str, *roles: StaffRole) -> URLPattern:
        return path(address, site.admin_view(staff_required(*(roles or EVERY_ROLE))(view)), name=f"console_{name}")

    return [
        page("wallets/<int:wallet_id>/", wallets.show_wallet, "wallet"),
        page("wallets/<int:wallet_id>/transfers/", wallets.show_transfers, "transfers"),
        page("wallets/<int:wallet_id>/holds/", wallets.show_wallet_holds, "wallet_holds"),
        page("holds/", wallets.show_holds, "holds"),
        page("reconciliation/", reconciliation.show_reconciliation, "reconciliation"),
        page("reconciliation/run", reconciliation.run_now, "reconcile", FINANCE),
        page("reconciliation/discrepancies/<int:discrepancy_id>/", reconciliation.show_discrepancy, "discrepancy"),
        page("reconciliation/discrepancies/<int:discrepancy_id>/explain", reconciliation.explain, "explain", FINANCE),
        page("kept-aside/", kept.show_reasons, "kept"),
        page("kept-aside/of/<slug:code>/", kept.show_kept_of, "kept_of"),
        page("kept-aside/of/<slug:code>/replay", kept.replay_all, "kept_replay_all", FINANCE, PRICING),
        page("kept-aside/<int:kept_id>/", kept.show_kept, "kept_event"),
        page("kept-aside/<int:kept_id>/mend", kept.mend, "kept_mend", FINANCE, PRICING),
        page("kept-aside/<int:kept_id>/replay", kept.replay, "kept_replay", FINANCE, PRICING),
        page("kept-aside/<int:kept_id>/discard", kept.discard, "kept_discard", FINANCE, PRICING),
        page("prices/", prices.show_cards, "prices"),
        page("prices/<int:card_id>/", prices.show_card, "price_card"),
        page("prices/<int:card_id>/export.csv", prices.export_sheet, "price_export"),
        page("prices/<int:card_id>/import", prices.import_sheet, "price_import", PRICING),
        page("prices/<int:card_id>/publish", prices.publish, "price_publish", PRICING),
        page("exports/", exports.show_exports, "exports"),
        page("exports/rows", exports.prepare_rows, "export_rows", *exports.READERS),
        page("exports/journal", exports.prepare_journal, "export_journal", FINANCE),
        page("exports/<uuid:export_id>.csv", exports.export_file, "export_file", *exports.READERS),
        page("what-if/", what_if.show_what_if, "what_if"),
        page("webhooks/", webhooks.show_endpoints, "webhook_endpoints", FINANCE),
        page("webhooks/new", webhooks.new_endpoint, "new_webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/", webhooks.show_endpoint, "webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/edit", webhooks.edit_endpoint, "edit_webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/switch", webhooks.switch_endpoint, "switch_webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/remove", webhooks.remove_endpoint, "remove_webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/test", webhooks.send_test, "test_webhook_endpoint", FINANCE),
        page("webhooks/<int:endpoint_id>/resend", webhooks.resend_failed, "resend_failed_webhooks", FINANCE),
        page("webhooks/<int:endpoint_id>/secret", webhooks.reveal_secret, "reveal_webhook_secret", FINANCE),
        page("webhooks/<int:endpoint_id>/secret/new", webhooks.rotate_secret, "rotate_webhook_secret", FINANCE),
        page("webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/", webhooks.show_delivery, "webhook_delivery", FINANCE),
        page("webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/row", webhooks.show_delivery_row, "webhook_delivery_row", FINANCE),
        page("webhooks/<int:endpoint_id>/deliveries/<int:delivery_id>/resend", webhooks.resend, "resend_webhook", FINANCE),
        page("operations/", operations.show_operations, "operations"),
        page("operations/charging", operations.switch_charging, "charging", FINANCE),
    ]

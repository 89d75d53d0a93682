"""What stands in the console's side bar, what of it is the present page, and what each table is called."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse

from workspaces.staff import StaffRole, may_act


@dataclass(frozen=True)
class Place:
    """One link. `current` is the word for aria-current, empty elsewhere."""

    label: str
    href: str
    icon: str
    current: bool


_WALLETS, _APPROVALS, _WEBHOOKS = "admin:wallet_wallet_changelist", "console:proposals", "admin:console_webhook_endpoints"
_OF_FINANCE = (_APPROVALS, _WEBHOOKS)
# Those of acts stand with their app and are shown as soon as it brings them.
_PLACES = (
    ("Start", "admin:index", "gear"),
    ("Wallets", _WALLETS, "wallet"),
    ("Approvals", _APPROVALS, "check"),
    ("Kept-aside events", "admin:console_kept", "alert"),
    ("Prices", "admin:console_prices", "adjust"),
    ("What if", "admin:console_what_if", "flask"),
    ("Exports", "admin:console_exports", "download"),
    ("Reconciliation", "admin:console_reconciliation", "shield"),
    ("Webhook endpoints", _WEBHOOKS, "arrow-up-right"),
    ("Operations", "admin:console_operations", "clock"),
    ("Audit log", "admin:workspaces_auditentry_changelist", "users"),
)


@dataclass(frozen=True)
class Table:
    """A table of the database as people call it: many rows, and one."""

    model: str
    many: str
    one: str

    @property
    def href(self) -> str:
        return address_of(f"admin:{self.model.replace('.', '_')}_changelist")


TABLES = {
    "Money": (
        Table("wallet.wallet", "Wallets", "Wallet"),
        Table("wallet.topup", "Top-ups", "Top-up"),
        Table("wallet.refund", "Refunds", "Refund"),
        Table("wallet.dispute", "Disputes", "Dispute"),
        Table("wallet.promotion", "Promotions", "Promotion"),
        Table("wallet.card", "Cards", "Card"),
        Table("wallet.paymentlink", "Payment links", "Payment link"),
        Table("wallet.automaticpayments", "Automatic payments", "Automatic payments"),
    ),
    "Use and prices": (
        Table("usage.keptevent", "Kept-aside events", "Kept-aside event"),
        Table("usage.meter", "Meters", "Meter"),
        Table("usage.ratecard", "Rate cards", "Rate card"),
        Table("usage.rate", "Rates", "Rate"),
    ),
    "What was told": (
        Table("wallet.webhookevent", "Stripe’s events", "Event of Stripe’s"),
        Table("wallet.notice", "E-mails", "E-mail"),
        Table("wallet.outgoingevent", "Webhooks", "Webhook"),
        Table("wallet.delivery", "Deliveries of webhooks", "Delivery of a webhook"),
    ),
    "Books": (
        Table("wallet.reconciliationrun", "Reconciliations", "Reconciliation"),
        Table("wallet.discrepancy", "Discrepancies", "Discrepancy"),
        Table("wallet.dayseal", "Day seals", "Day seal"),
    ),
    "People": (
        Table("workspaces.workspace", "Workspaces", "Workspace"),
        Table("workspaces.user", "People", "Person"),
        Table("workspaces.membership", "Members", "Member"),
        Table("workspaces.invitation", "Invitations", "Invitation"),
        Table("workspaces.apikey", "API keys", "API key"),
        Table("workspaces.auditentry", "Audit log", "Entry of the audit log"),
    ),
}
_TABLES = {table.model: table for tables in TABLES.values() for table in tables}


def table_of(label: str) -> Table | None:
    """The table of a model, by its label in lower case."""
    return _TABLES.get(label)


def tables() -> list[tuple[str, list[Table]]]:
    """Those that have a page, by what they are about."""
    return [(title, [table for table in found if table.href]) for title, found in TABLES.items()]


def places(request: HttpRequest) -> list[Place]:
    """The links, with the one that the page belongs to."""
    is_finance = may_act(request.user, roles=[StaffRole.FINANCE])
    open_to_them = [place for place in _PLACES if is_finance or place[1] not in _OF_FINANCE]
    found = [(label, address, icon) for label, name, icon in open_to_them if (address := address_of(name))]
    here = max((address for _, address, _ in found if request.path.startswith(address)), key=len, default="")
    start = address_of("admin:index")
    if here == start and request.path.startswith(f"{start}wallets/"):
        here = address_of(_WALLETS)
    return [Place(label, address, icon, address == here and (address != start or request.path == start)) for label, address, icon in found]


def address_of(name: str, *arguments: object) -> str:
    """The address of that name; empty where no app brings it."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""

"""What stands in the console's side bar, and what of it is the present page."""

from dataclasses import dataclass

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse


@dataclass(frozen=True)
class Place:
    """One link. `current` is the word for aria-current, empty elsewhere."""

    label: str
    href: str
    icon: str
    current: bool


# Those of acts stand with their app and are shown as soon as it brings them.
_PLACES = (
    ("Start", "admin:index", "gear"),
    ("Wallets", "admin:wallet_wallet_changelist", "wallet"),
    ("Approvals", "console:proposals", "check"),
    ("Kept-aside events", "admin:console_kept", "alert"),
    ("Prices", "admin:console_prices", "adjust"),
    ("What if", "admin:console_what_if", "flask"),
    ("Exports", "admin:console_exports", "download"),
    ("Reconciliation", "admin:console_reconciliation", "shield"),
    ("Operations", "admin:console_operations", "clock"),
    ("Audit log", "admin:workspaces_auditentry_changelist", "users"),
)


def places(request: HttpRequest) -> list[Place]:
    """The links, with the one that the page belongs to."""
    found = [(label, address, icon) for label, name, icon in _PLACES if (address := address_of(name))]
    here = max((address for _, address, _ in found if request.path.startswith(address)), key=len, default="")
    start = address_of("admin:index")
    return [Place(label, address, icon, address == here and (address != start or request.path == start)) for label, address, icon in found]


def address_of(name: str, *arguments: object) -> str:
    """The address of that name; empty where no app brings it."""
    try:
        return reverse(name, args=arguments)
    except NoReverseMatch:
        return ""

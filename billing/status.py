"""What the status bar says: a tone, a sentence and the way out, for each state of a wallet that needs someone."""

from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils import timezone

from billing.automatic_trouble import Trouble, trouble_of
from billing.pace import burn_per_day, days_left, lasts_about
from wallet.models import Wallet
from wallet.money import format_money
from wallet.queries import WalletStatus, wallet_status
from wallet.standing import low_level_micros
from workspaces.models import Membership

LOW_DAYS = 2
"""With less than the use of so many days left, the balance is low; below the wallet's level it is so in any case."""


@dataclass(frozen=True)
class Action:
    """What an owner or admin can do about it. `posts` where it makes something, so that a link will not do; `path` is an
    address that belongs to no workspace.
    """

    label: str
    url_name: str = ""
    posts: bool = False
    path: str = ""


@dataclass(frozen=True)
class StatusBar:
    """One line. `tone` is danger or warn; a member reads the text without the action.

    `until` is the end of the grace time, in the workspace's zone: it stands between `text` and `after`, and counts down.
    """

    tone: str
    title: str
    text: str
    action: Action
    until: datetime | None = None
    until_style: str = "time"
    after: str = ""


_ADD_BALANCE = Action("Add Balance", "billing:add_balance")
_UNCONNECTED = StatusBar(
    tone="danger",
    title="Connect your wallet",
    text="Calls and automation can’t run until there is money or a card.",
    action=Action("Connect a card", "billing:connect_card", posts=True),
)
_PAUSED = StatusBar(
    tone="danger",
    title="All calls are paused",
    text="The balance is used up. Calls, messages and AI tasks go on as soon as money is added.",
    action=_ADD_BALANCE,
)
_USED_UP = StatusBar(
    tone="danger",
    title="Balance used up",
    text="Outbound calls, messages and AI tasks have stopped. Inbound calls go on",
    action=_ADD_BALANCE,
)
_FAILED = StatusBar(
    tone="danger",
    title="Automatic payment failed",
    text="",
    action=Action("Automatic Payments", "billing:automatic_payments"),
    until_style="full",
)
_SET_ASIDE = StatusBar(
    tone="warn",
    title="Low balance",
    text="All of it is set aside for calls and tasks under way; nothing else can start.",
    action=_ADD_BALANCE,
)


_FROZEN = ("This wallet is frozen", "Nothing new starts and no card is charged until support has opened it again.")
_CLOSED = ("This wallet is closed", "Nothing starts any more, and no money is taken.")


def status_bar_of(membership: Membership) -> StatusBar | None:
    """The bar of the member's workspace; None when all is well."""
    wallet = Wallet.objects.filter(workspace=membership.workspace_id).first()
    return status_bar_for(wallet, zone=membership.workspace.zone) if wallet else None


def status_bar_for(wallet: Wallet, *, zone: ZoneInfo) -> StatusBar | None:
    """The gravest thing there is to say of the wallet; None when all is well."""
    if wallet.closed_at is not None or wallet.frozen_at is not None:
        title, text = _FROZEN if wallet.closed_at is None else _CLOSED
        return StatusBar("danger", title, text, Action("Write to support", path=f"mailto:{settings.SUPPORT_EMAIL}"))
    was_used = wallet.last_seq > 0
    may_be_new = not was_used or (wallet.depleted_at is None and wallet.balance_micros <= 0)
    if may_be_new and wallet_status(wallet) is WalletStatus.UNCONNECTED:
        return _UNCONNECTED
    trouble = trouble_of(wallet)
    if not was_used:
        # A card is connected and nothing was ever bought: nothing has run out.
        return _in_trouble(trouble, zone=zone) if trouble else None
    if wallet.depleted_at is not None or wallet.balance_micros <= 0:
        bar = _used_up(wallet, zone=zone)
        # Confirming brings the money that is missing.
        return replace(bar, action=_confirm(trouble)) if trouble and trouble.confirm_path else bar
    if trouble is not None:
        return _in_trouble(trouble, zone=zone)
    return _SET_ASIDE if wallet.available_micros <= 0 else _low(wallet, zone=zone)


def _in_trouble(trouble: Trouble, *, zone: ZoneInfo) -> StatusBar:
    """A payment that failed, or one that waits for its owner and may still succeed."""
    style = "full" if trouble.until is None else _style_of(trouble.until, zone=zone)
    bar = replace(_FAILED, text=trouble.text, until=trouble.until, until_style=style, after=trouble.after)
    if not trouble.confirm_path:
        return bar
    return replace(bar, tone="warn", title="Confirm your payment", action=_confirm(trouble))


def _confirm(trouble: Trouble) -> Action:
    return Action("Confirm", path=trouble.confirm_path)


def _style_of(moment: datetime, *, zone: ZoneInfo) -> str:
    """The time alone, where it is today's."""
    is_today = timezone.localtime(moment, zone).date() == timezone.localtime(timezone.now(), zone).date()
    return "time" if is_today else "full"


def _used_up(wallet: Wallet, *, zone: ZoneInfo) -> StatusBar:
    """As the gate decides: inbound goes on for the grace time, as far as the overdraft reaches."""
    now, until = timezone.now(), wallet.grace_until
    if wallet.available_micros + wallet.overdraft_micros <= 0 or (until is not None and until <= now):
        return _PAUSED
    if until is None:
        # The grace time begins with the first inbound call that the money does not cover.
        return replace(_USED_UP, text=f"{_USED_UP.text} for {_hours(wallet.grace_minutes)} from the next one on.")
    style = _style_of(until, zone=zone)
    return replace(_USED_UP, text=f"{_USED_UP.text} until", until=until, until_style=style, after="Then all calls pause.")


def _hours(minutes: int) -> str:
    hours, rest = divmod(minutes, 60)
    parts = [f"{hours} hour{'s' if hours != 1 else ''}"] if hours else []
    return " ".join([*parts, f"{rest} minutes"] if rest or not parts else parts)


def _low(wallet: Wallet, *, zone: ZoneInfo) -> StatusBar | None:
    available, burn = wallet.available_micros, burn_per_day(wallet, zone=zone)
    lasts_short = burn is not None and days_left(available, burn_micros=burn) < LOW_DAYS
    if not lasts_short and available >= low_level_micros(wallet):
        return None
    money, lasts = format_money(available, currency=wallet.currency), lasts_about(available, burn_micros=burn)
    text = f"{money} left" if not lasts else f"{money} left: {lasts}" if lasts.startswith("less") else f"{money} left, about {lasts}"
    return StatusBar("warn", "Low balance", f"{text} at the recent pace." if lasts else f"{text}.", _ADD_BALANCE)

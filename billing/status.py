"""What the status bar says: a tone, a sentence and the way out, for each state of a wallet that needs someone."""

from dataclasses import dataclass

from wallet.models import Wallet
from wallet.queries import WalletStatus, wallet_status
from workspaces.models import Membership


@dataclass(frozen=True)
class Action:
    """What an owner or admin can do about it. `posts` where it makes something, so that a link will not do."""

    label: str
    url_name: str
    posts: bool = False


@dataclass(frozen=True)
class StatusBar:
    """One line. `tone` is danger or warn; a member reads the text without the action."""

    tone: str
    title: str
    text: str
    action: Action


_BARS = {
    WalletStatus.UNCONNECTED: StatusBar(
        tone="danger",
        title="Connect your wallet",
        text="Calls and automation can’t run until there is money or a card.",
        action=Action("Connect a card", "billing:connect_card", posts=True),
    ),
}


def status_bar_of(membership: Membership) -> StatusBar | None:
    """The bar of the member's workspace; None when all is well."""
    wallet = Wallet.objects.filter(workspace=membership.workspace_id).first()
    return _BARS.get(wallet_status(wallet)) if wallet else None

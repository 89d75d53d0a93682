"""The wallet's part of the platform's API: workspaces and their wallets, history, payment links. Parses and answers, nothing else."""

from ninja import Schema

from wallet.models import Wallet
from wallet.queries import WalletStatus, wallet_status
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import Instant, Micros, Subject
from workspaces.api.operations import ApiRouter, operation
from workspaces.api.problems import NotFound
from workspaces.models import Scope
from workspaces.queries import workspace_of_subject

router = ApiRouter()


class WalletOut(Schema):
    """A workspace's money, as it is now."""

    workspace: str
    external_id: str | None
    currency: str
    balance_micros: Micros
    held_micros: Micros
    available_micros: Micros
    status: WalletStatus
    depleted_at: Instant | None
    grace_until: Instant | None


@router.get("/wallets/{subject}", **operation(Scope.WALLET_READ, {200: WalletOut}, refuses=("not_found",)), tags=["Wallets"])
def get_wallet(request: ApiRequest, subject: Subject) -> WalletOut:
    """What is in the wallet, and what of it is available. Decisions use `available_micros`."""
    wallet = wallet_of(request, subject)
    return WalletOut(
        workspace=wallet.workspace.public_id,
        external_id=wallet.workspace.external_id,
        currency=wallet.currency,
        balance_micros=wallet.balance_micros,
        held_micros=wallet.held_micros,
        available_micros=wallet.available_micros,
        status=wallet_status(wallet),
        depleted_at=wallet.depleted_at,
        grace_until=wallet.grace_until,
    )


def wallet_of(request: ApiRequest, subject: str) -> Wallet:
    """The wallet of the workspace that the subject names. Raises: WorkspaceUnknown; NotFound where it has no wallet yet."""
    workspace = workspace_of_subject(request.auth, subject)
    wallet = Wallet.objects.select_related("workspace").filter(workspace=workspace).first()
    if wallet is None:
        raise NotFound
    return wallet

"""What the Lab's views share: the request's wallet and run, and refusals with their way out."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from usage.errors import NotAllowed, Reason
from usage.models import LabRun
from wallet.models import Wallet
from workspaces.access import WorkspaceRequest
from workspaces.queries import billing_contacts


@dataclass(frozen=True)
class Refusal:
    """Why something did not start, and the way out. `grace_until`: until when inbound calls still ring."""

    text: str
    needs_money: bool = False
    grace_until: datetime | None = None

    @classmethod
    def of(cls, error: NotAllowed) -> "Refusal":
        needs_money = error.reason in (Reason.INSUFFICIENT_FUNDS, Reason.CALLS_PAUSED)
        inbound_goes_on = error.reason is Reason.INSUFFICIENT_FUNDS and error.grace_until is not None and error.grace_until > timezone.now()
        return cls(str(error), needs_money, error.grace_until if inbound_goes_on else None)


def wallet_of(request: WorkspaceRequest) -> Wallet:
    """The wallet of the request's workspace, read now; 404 while there is none."""
    wallet = Wallet.objects.select_related("workspace").filter(workspace=request.workspace).first()
    if wallet is None:
        raise Http404
    return wallet


def run_of(request: WorkspaceRequest, run_id: UUID, *, kind: LabRun.Kind) -> LabRun | None:
    """The workspace's run of that kind; 404 where there is none. None for a live one and a member, who is to be refused."""
    run = LabRun.objects.select_related("wallet__workspace").filter(pk=run_id, wallet_id=request.workspace.pk, kind=kind).first()
    if run is None:
        raise Http404
    return run if request.membership.may_bill or not run.is_live else None


def refuse_live(request: WorkspaceRequest) -> HttpResponse:
    """A member asked for something that spends money: only an owner or admin goes live."""
    return render(request, "workspaces/refused_billing.html", {"contacts": billing_contacts(request.workspace)}, status=403)

"""The wallet's part of the platform's API: workspaces and their wallets, history, payment links. Parses and answers, nothing else."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

from django.utils import timezone
from ninja import Path, Query
from ninja.responses import Status
from pydantic import Field

from wallet.api_problems import WALLET_CODES
from wallet.api_schemas import AutomaticPaymentsOut, LinkIn, LinkOut, TopUpOut, TransactionOut, WalletOut, WorkspaceIn, WorkspaceOut
from wallet.errors import GatewayError
from wallet.models import AutomaticPayments, Origin, PaymentLink, TopUp, Transfer, Wallet
from wallet.queries import payment_links_page, transfers_page, wallet_status
from wallet.services.automatic_charges import charged_so_far
from wallet.services.checkout import withdraw_payment_link
from wallet.services.payment_links import LinkState, link_states, payment_link_url, request_payment_link
from wallet.services.platform_workspaces import provide_platform_workspace
from workspaces.api.authentication import ApiRequest
from workspaces.api.fields import Limit, OptionalMoment, Page, Subject
from workspaces.api.idempotency import once
from workspaces.api.limits import PAYMENTS
from workspaces.api.operations import ApiRouter, operation
from workspaces.api.problems import NotFound, add_codes
from workspaces.models import Scope, Workspace
from workspaces.queries import workspace_of_subject

add_codes(WALLET_CODES)

BODY = ("malformed", "unsupported_media_type", "too_large", "invalid")
KINDS_MAX = 20

router = ApiRouter()
Kinds = Annotated[
    list[Annotated[str, Field(pattern="^[a-z_]{1,32}$")]],
    Query([], alias="kind", max_length=KINDS_MAX, description="Only these kinds; may be given several times."),
]
SeqCursor = Annotated[str | None, Query(None, pattern="^[1-9][0-9]{0,17}$", description="`next` of the page before.")]
LinkCursor = Annotated[UUID | None, Query(None, description="`next` of the page before.")]

LinkId = Annotated[UUID, Path(description="The payment link's id.")]
TopUpId = Annotated[UUID, Path(description="The top-up's id, as its payment link names it.")]


# ---------------------------------------------------------------- workspaces
@router.post(
    "/workspaces",
    **operation(
        Scope.WORKSPACES_WRITE,
        {201: WorkspaceOut, 200: WorkspaceOut},
        refuses=(*BODY, "external_id_refused", "currency_fixed"),
    ),
    tags=["Workspaces"],
    summary="Make a workspace",
)
def create_workspace(request: ApiRequest, body: WorkspaceIn) -> Status[WorkspaceOut]:
    """The workspace of that `external_id` with its wallet: 201 where it was made now, 200 where it was there.

    Safe to send again: one that is there keeps its name and time zone. For platform keys.
    """
    provided = provide_platform_workspace(
        body.external_id, name=body.name, currency=body.currency, time_zone=body.time_zone, owner_email=body.owner_email
    )
    return Status(201 if provided.is_new else 200, _workspace_out(provided.wallet.workspace, currency=provided.wallet.currency))


@router.get(
    "/workspaces/{subject}",
    **operation(Scope.WALLET_READ, {200: WorkspaceOut}, refuses=("not_found",)),
    tags=["Workspaces"],
    summary="Find a workspace",
)
def get_workspace(request: ApiRequest, subject: Subject) -> WorkspaceOut:
    """The workspace, found by its public id or by the platform's own id for it."""
    workspace = workspace_of_subject(request.auth, subject)
    currency = Wallet.objects.filter(workspace=workspace).values_list("currency", flat=True).first()
    return _workspace_out(workspace, currency=currency)


# ---------------------------------------------------------------- wallets
@router.get(
    "/wallets/{subject}",
    **operation(Scope.WALLET_READ, {200: WalletOut}, refuses=("not_found",)),
    tags=["Wallets"],
    summary="Read a wallet",
)
def get_wallet(request: ApiRequest, subject: Subject) -> WalletOut:
    """Balance, what of it is held, and what is available."""
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
        automatic_payments=_automatic_payments_out(wallet),
    )


@router.get(
    "/wallets/{subject}/transactions",
    **operation(Scope.WALLET_READ, {200: Page[TransactionOut]}, refuses=("not_found", "invalid")),
    tags=["Wallets"],
    summary="List transactions",
)
def list_transactions(
    request: ApiRequest,
    subject: Subject,
    kinds: Kinds,
    since: OptionalMoment,
    until: OptionalMoment,
    cursor: SeqCursor,
    limit: Limit,
) -> Page[TransactionOut]:
    """The wallet's history, newest first: booked at or after `since` and before `until`, of some kinds or all."""
    page = transfers_page(
        wallet_of(request, subject), kinds=kinds, since=since, until=until, before_seq=int(cursor) if cursor else None, limit=limit
    )
    return Page(
        data=[_transaction_out(transfer) for transfer in page.transfers],
        next=None if page.next_before_seq is None else str(page.next_before_seq),
    )


# ---------------------------------------------------------------- payment links and top-ups
def _with_its_url(answer: dict[str, Any]) -> dict[str, Any]:
    return answer | {"url": payment_link_url(PaymentLink.objects.get(pk=answer["id"]))}


@router.post(
    "/wallets/{subject}/payment-links",
    **operation(
        Scope.WALLET_WRITE,
        {201: LinkOut},
        refuses=(
            *BODY,
            "not_found",
            "idempotency_key_required",
            "idempotency_conflict",
            "amount_out_of_range",
            "inexact_amount",
            "wallet_closed",
        ),
        policy=PAYMENTS,
    ),
    tags=["Payment links"],
    summary="Make a payment link",
)
# The address opens the payment page, so it is not kept with the answer: a stolen copy of the database opens nothing.
@once(status=201, secret=("url",), restore=_with_its_url)
def create_payment_link(request: ApiRequest, subject: Subject, body: LinkIn) -> LinkOut:
    """A link to send to whoever pays: the customer, or their finance department. It works once, for 7 days."""
    link = request_payment_link(
        wallet_of(request, subject),
        purpose=PaymentLink.Purpose(body.purpose),
        amount_micros=body.amount_micros,
        request_id=request.effect_id,
        requested_by=None,
    )
    return _links_out([link])[0]


@router.get(
    "/wallets/{subject}/payment-links",
    **operation(Scope.WALLET_READ, {200: Page[LinkOut]}, refuses=("not_found", "invalid")),
    tags=["Payment links"],
    summary="List payment links",
)
def list_payment_links(request: ApiRequest, subject: Subject, cursor: LinkCursor, limit: Limit) -> Page[LinkOut]:
    """Every link of the wallet, newest first, whatever became of it."""
    page = payment_links_page(wallet_of(request, subject), before=cursor, limit=limit)
    return Page(data=_links_out(page.links), next=str(page.next_before) if page.next_before else None)


@router.get(
    "/wallets/{subject}/payment-links/{link_id}",
    **operation(Scope.WALLET_READ, {200: LinkOut}, refuses=("not_found", "invalid")),
    tags=["Payment links"],
    summary="Read a payment link",
)
def get_payment_link(request: ApiRequest, subject: Subject, link_id: LinkId) -> LinkOut:
    """How the link stands: ask until `state` is no longer open or processing."""
    return _links_out([_link(request, subject, link_id)])[0]


@router.post(
    "/wallets/{subject}/payment-links/{link_id}/withdraw",
    **operation(Scope.WALLET_WRITE, {200: LinkOut}, refuses=("not_found", "invalid"), policy=PAYMENTS),
    tags=["Payment links"],
    summary="Withdraw a payment link",
)
def withdraw_link(request: ApiRequest, subject: Subject, link_id: LinkId) -> LinkOut:
    """Nobody can pay with the link from here on. Where it was paid at the last moment the payment won, and `state` says so.

    Safe to send again.
    """
    link = _link(request, subject, link_id)
    try:
        withdraw_payment_link(link)
    except GatewayError:
        # The link is closed for new payers already; the sweep ends its open session at Stripe.
        link.refresh_from_db()
    return _links_out([link])[0]


@router.get(
    "/wallets/{subject}/top-ups/{top_up_id}",
    **operation(Scope.WALLET_READ, {200: TopUpOut}, refuses=("not_found", "invalid")),
    tags=["Payment links"],
    summary="Read a top-up",
)
def get_top_up(request: ApiRequest, subject: Subject, top_up_id: TopUpId) -> TopUpOut:
    """One attempt to bring money in, and what came of it."""
    top_up = TopUp.objects.filter(wallet=wallet_of(request, subject), pk=top_up_id).select_related("wallet").first()
    if top_up is None:
        raise NotFound
    return TopUpOut(
        id=top_up.pk,
        origin=Origin(top_up.origin),
        amount_micros=top_up.amount_micros,
        currency=top_up.wallet.currency,
        status=TopUp.Status(top_up.status),
        payment_link=top_up.payment_link_id,
        receipt_number=top_up.receipt_number,
        paid_with=top_up.paid_with,
        decline_code=top_up.decline_code,
        created_at=top_up.created_at,
        resolved_at=top_up.resolved_at,
    )


# ---------------------------------------------------------------- looking up and writing out
def wallet_of(request: ApiRequest, subject: str) -> Wallet:
    """The wallet of the workspace that the subject names. Raises: WorkspaceUnknown; NotFound where it has no wallet."""
    workspace = workspace_of_subject(request.auth, subject)
    wallet = Wallet.objects.select_related("workspace").filter(workspace=workspace).first()
    if wallet is None:
        raise NotFound
    return wallet


def _link(request: ApiRequest, subject: str, link_id: UUID) -> PaymentLink:
    link = PaymentLink.objects.filter(wallet=wallet_of(request, subject), pk=link_id).select_related("wallet__workspace").first()
    if link is None:
        raise NotFound
    return link


def _workspace_out(workspace: Workspace, *, currency: str | None) -> WorkspaceOut:
    return WorkspaceOut(
        id=workspace.public_id,
        external_id=workspace.external_id,
        name=workspace.name,
        currency=currency,
        time_zone=workspace.time_zone,
        created_at=workspace.created_at,
    )


def _automatic_payments_out(wallet: Wallet) -> AutomaticPaymentsOut | None:
    rule = AutomaticPayments.objects.filter(wallet=wallet).first()
    if rule is None:
        return None
    return AutomaticPaymentsOut(
        active=rule.is_active,
        suspended=AutomaticPayments.Suspension(rule.suspension) if rule.suspension else None,
        awaits_confirmation=rule.confirmation_link_id is not None,
        next_try_at=rule.next_try_at,
        threshold_micros=rule.threshold_micros,
        amount_micros=rule.amount_micros,
        target_micros=rule.target_micros,
        monthly_cap_micros=rule.monthly_cap_micros,
        charged_this_month_micros=charged_so_far(wallet, now=timezone.now()).month_micros,
    )


def _transaction_out(transfer: Transfer) -> TransactionOut:
    return TransactionOut(
        seq=transfer.seq,
        kind=transfer.kind,
        change_micros=transfer.change_micros,
        balance_after_micros=transfer.balance_after_micros,
        description=transfer.description,
        reference=transfer.reference,
        happened_at=transfer.happened_at,
        posted_at=transfer.posted_at,
    )


def _links_out(links: Sequence[PaymentLink]) -> list[LinkOut]:
    """In two queries, however many there are."""
    states, top_ups = link_states(links), _top_ups_of(links)
    return [_link_out(link, state=states[link.pk], top_up=top_ups.get(link.pk)) for link in links]


def _top_ups_of(links: Sequence[PaymentLink]) -> dict[UUID | None, UUID]:
    """The latest attempt of each link, or the one that paid it."""
    attempts = TopUp.objects.filter(payment_link__in=links).order_by("created_at")
    found = sorted(attempts.values_list("payment_link_id", "pk", "status"), key=lambda attempt: attempt[2] == TopUp.Status.SUCCEEDED)
    return {link_id: top_up_id for link_id, top_up_id, _ in found}


def _link_out(link: PaymentLink, *, state: LinkState, top_up: UUID | None) -> LinkOut:
    return LinkOut(
        id=link.pk,
        purpose=PaymentLink.Purpose(link.purpose),
        amount_micros=link.amount_micros,
        currency=link.wallet.currency,
        state=state,
        url=payment_link_url(link) if state is LinkState.OPEN else None,
        top_up=top_up,
        created_at=link.created_at,
        expires_at=link.expires_at,
        used_at=link.used_at,
    )

"""The tables of the wallet. Facts and constraints only; what happens to them stands in services/ and ledger.py."""

from wallet.models.acts import (
    OPEN_REFUND_STATUSES,
    REASON_CHARACTERS_MAX,
    WORDS_CHARACTERS_MAX,
    Adjustment,
    PromotionGrant,
    Proposal,
    RefundRequest,
    WalletClosing,
    WalletFreeze,
)
from wallet.models.automatic import AutomaticPayments, ChargingSwitch
from wallet.models.cards import Card, CardSetup
from wallet.models.heartbeats import Heartbeat
from wallet.models.inbox import WebhookEvent
from wallet.models.ledger import Account, Hold, Kind, Promotion, Transfer
from wallet.models.notices import ALWAYS_TOLD, CHOSEN_KINDS, Notice, NoticeChoice
from wallet.models.outgoing import CHOSEN_TYPES, Delivery, DeliveryAttempt, EventType, OutgoingEvent, WebhookEndpoint
from wallet.models.payment_links import PaymentLink
from wallet.models.reconciliation import Discrepancy, ReconciliationRun, StripeMovement
from wallet.models.seals import DaySeal, Seal
from wallet.models.top_ups import IN_FLIGHT_STATUSES, OPEN_STATUSES, UNCLEAR_STATUSES, Dispute, Origin, Refund, TopUp
from wallet.models.wallets import FormerCustomer, Wallet

__all__ = [
    "ALWAYS_TOLD",
    "CHOSEN_KINDS",
    "CHOSEN_TYPES",
    "IN_FLIGHT_STATUSES",
    "OPEN_REFUND_STATUSES",
    "OPEN_STATUSES",
    "REASON_CHARACTERS_MAX",
    "UNCLEAR_STATUSES",
    "WORDS_CHARACTERS_MAX",
    "Account",
    "Adjustment",
    "AutomaticPayments",
    "Card",
    "CardSetup",
    "ChargingSwitch",
    "DaySeal",
    "Delivery",
    "DeliveryAttempt",
    "Discrepancy",
    "Dispute",
    "EventType",
    "FormerCustomer",
    "Heartbeat",
    "Hold",
    "Kind",
    "Notice",
    "NoticeChoice",
    "Origin",
    "OutgoingEvent",
    "PaymentLink",
    "Promotion",
    "PromotionGrant",
    "Proposal",
    "ReconciliationRun",
    "Refund",
    "RefundRequest",
    "Seal",
    "StripeMovement",
    "TopUp",
    "Transfer",
    "Wallet",
    "WalletClosing",
    "WalletFreeze",
    "WebhookEndpoint",
    "WebhookEvent",
]

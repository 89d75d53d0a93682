"""How the wallet's refusals are put to the platform: one row for each code of wallet/errors.py that can reach the API."""

from workspaces.api.problems import Code

WALLET_CODES = {
    "wallet_closed": Code(409, "Wallet closed", "The workspace was closed: no money moves any more."),
    "wallet_frozen": Code(409, "Wallet frozen", "The operator froze the wallet: nothing new starts. Its admin can ask support why."),
    "insufficient_funds": Code(
        402,
        "Insufficient funds",
        "Less is available than this needs. Nothing was done, and the Idempotency-Key is not used up: add balance and send it again.",
        facts=("needed_micros", "available_micros"),
    ),
    "hold_expired": Code(409, "Hold expired", "The hold's time is over and its money was given back. Place a new one."),
    "already_resolved": Code(409, "Already resolved", "It has its final state. Nothing was done."),
    "amount_out_of_range": Code(422, "Amount out of range", "Below the least or above the most that one top-up may be."),
    "inexact_amount": Code(422, "Inexact amount", "The currency has no coin for the last digits of this amount."),
    "unknown_currency": Code(422, "Unknown currency", "No wallet can be in this currency: ISO 4217, lower case."),
    "card_unusable": Code(409, "Card unusable", "The card was removed or has expired."),
    "link_unusable": Code(409, "Link unusable", "The payment link is expired, withdrawn or used. Make a new one."),
    "too_many_attempts": Code(429, "Too many attempts", "A limit against card testing was reached."),
    "gateway_unavailable": Code(503, "Stripe unavailable", "Stripe does not answer just now. Send the same again in a minute."),
    "outcome_unknown": Code(503, "Outcome unknown", "Stripe did not answer in time. What became of it will be known shortly: ask again."),
    "currency_fixed": Code(
        409, "Currency fixed", "The workspace exists, and its wallet is in another currency, which never changes.", facts=("currency",)
    ),
}

"""Every kind of corruption that is planted in a copy of the books, and what check_books must say of it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Corruption:
    """What a hand with the owner's password does to the book of wallet `w`, while `elsewhere` is another's.

    `words` must be said by `check`, and before anything else unless `first` is False: a forged row breaks several laws.
    """

    statements: str
    check: str
    words: str
    first: bool = True


CORRUPTIONS = {
    "a changed amount": Corruption(
        "UPDATE wallet_transfer SET amount_micros = 8000000 WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, has a balance after it of $18.0000, and should have $17.0000: $25.0000 before it, and it moved −$8.0000",
    ),
    "a changed balance after": Corruption(
        "UPDATE wallet_transfer SET balance_after_micros = 18000001 WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, has a balance after it of $18.000001, and should have $18.0000",
    ),
    "a missing row": Corruption(
        "DELETE FROM wallet_transfer WHERE wallet_id = %(w)s AND seq = 5",
        check="chain",
        words=", row 6, should have seq 5: what stands between is missing",
    ),
    "a missing first row": Corruption(
        "DELETE FROM wallet_transfer WHERE wallet_id = %(w)s AND seq = 1",
        check="chain",
        words=", row 2, should have seq 1",
    ),
    "a missing last row": Corruption(
        "DELETE FROM wallet_transfer WHERE wallet_id = %(w)s AND seq = 13",
        check="sums",
        words=" says that its newest row is 13, and should say 12",
    ),
    "a hole in seq": Corruption(
        "UPDATE wallet_transfer SET seq = 99 WHERE wallet_id = %(w)s AND seq = 13; UPDATE wallet_wallet SET last_seq = 99 WHERE "
        "workspace_id = %(w)s",
        check="chain",
        words=", row 99, should have seq 13",
    ),
    "a book that is gone": Corruption(
        "DELETE FROM wallet_transfer WHERE wallet_id = %(w)s",
        check="sums",
        words=" says that its newest row is 13, and should say 0",
    ),
    "a row turned round": Corruption(
        "UPDATE wallet_transfer SET debit = 'usage_revenue', credit = 'wallet' WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, has a balance after it of $18.0000, and should have $32.0000: $25.0000 before it, and it moved $7.0000",
    ),
    "a negative amount": Corruption(
        "ALTER TABLE wallet_transfer DROP CONSTRAINT IF EXISTS transfer_amount_is_positive_or_a_free_use, DROP CONSTRAINT IF EXISTS "
        "transfer_promotion_is_part_of_amount; UPDATE wallet_transfer SET amount_micros = -7000000 WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, moves −$7.0000 from wallet to usage_revenue, and should move more than nothing",
    ),
    "a credit of nothing": Corruption(
        "ALTER TABLE wallet_transfer DROP CONSTRAINT IF EXISTS transfer_amount_is_positive_or_a_free_use; UPDATE wallet_transfer SET "
        "amount_micros = 0 WHERE wallet_id = %(w)s AND seq = 12",
        check="chain",
        words=", row 12, moves $0.0000 from adjustments to wallet",
    ),
    "an account that there is not": Corruption(
        "ALTER TABLE wallet_transfer DROP CONSTRAINT IF EXISTS transfer_accounts_are_known; UPDATE wallet_transfer SET credit = 'pocket' "
        "WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, moves from wallet to pocket, and should move between two different accounts",
    ),
    "one account on both sides": Corruption(
        "ALTER TABLE wallet_transfer DROP CONSTRAINT IF EXISTS transfer_moves_between_two_accounts; UPDATE wallet_transfer SET credit = "
        "'wallet' WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, moves from wallet to wallet",
    ),
    "more given than moved": Corruption(
        "ALTER TABLE wallet_transfer DROP CONSTRAINT IF EXISTS transfer_promotion_is_part_of_amount; UPDATE wallet_transfer SET "
        "promotion_micros = 8000000 WHERE wallet_id = %(w)s AND seq = 3",
        check="chain",
        words=", row 3, has $8.0000 of given credit, and should have a part of its $7.0000",
    ),
    "an older time": Corruption(
        "UPDATE wallet_transfer SET posted_at = posted_at - interval '1 day' WHERE wallet_id = %(w)s AND seq = 4",
        check="chain",
        words=", row 4, was booked at ",
    ),
    "a wrong cached balance": Corruption(
        "UPDATE wallet_wallet SET balance_micros = balance_micros + 1 WHERE workspace_id = %(w)s",
        check="sums",
        words=" says that its balance is $30.000001, and should say $30.0000: so much its rows add up to",
    ),
    "a wrong held": Corruption(
        "UPDATE wallet_wallet SET held_micros = 3000000 WHERE workspace_id = %(w)s",
        check="sums",
        words=" says that $3.0000 is held, and should say $1.0000: so much its open holds add up to",
    ),
    "a hold made smaller": Corruption(
        "UPDATE wallet_hold SET amount_micros = 500000 WHERE wallet_id = %(w)s",
        check="sums",
        words=" says that $1.0000 is held, and should say $0.5000",
    ),
    "a hold that is lost": Corruption(
        "DELETE FROM wallet_hold WHERE wallet_id = %(w)s",
        check="sums",
        words=" says that $1.0000 is held, and should say $0.0000",
    ),
    "a hold resolved without a time": Corruption(
        "ALTER TABLE wallet_hold DROP CONSTRAINT IF EXISTS hold_is_open_or_resolved; UPDATE wallet_hold SET status = 'released' WHERE "
        "wallet_id = %(w)s; UPDATE wallet_wallet SET held_micros = 0 WHERE workspace_id = %(w)s",
        check="holds",
        words=", which is released and says otherwise by its time of resolution",
    ),
    "a released hold that charged": Corruption(
        "UPDATE wallet_hold SET status = 'released', resolved_at = now(), captured_micros = 10 WHERE wallet_id = %(w)s; UPDATE "
        "wallet_wallet SET held_micros = 0 WHERE workspace_id = %(w)s",
        check="holds",
        words=", which is released and should not have charged $0.00001",
    ),
    "a wrong sum of given credit": Corruption(
        "UPDATE wallet_wallet SET promotion_micros = 3000000 WHERE workspace_id = %(w)s",
        check="sums",
        words=" says that $3.0000 of it was given, and should say $4.0000: so much its rows granted",
    ),
    "a promotion with too little left": Corruption(
        "UPDATE wallet_promotion SET remaining_micros = remaining_micros - 1 WHERE wallet_id = %(w)s AND amount_micros = 4000000",
        check="sums",
        words=" says that $4.0000 of it was given, and should say $3.999999: so much its promotions have left",
    ),
    "a promotion that came back": Corruption(
        "UPDATE wallet_promotion SET remaining_micros = 1000000 WHERE wallet_id = %(w)s AND amount_micros = 1000000; UPDATE "
        "wallet_promotion SET remaining_micros = 3000000 WHERE wallet_id = %(w)s AND amount_micros = 4000000",
        check="promotions",
        words=" of $1.0000, of which $1.0000 expired",
    ),
    "a promotion larger than granted": Corruption(
        "UPDATE wallet_promotion SET amount_micros = 6000000 WHERE wallet_id = %(w)s AND amount_micros = 5000000",
        check="promotions",
        words=" was granted $5.0000 for the promotion ",
    ),
    "a promotion that is gone": Corruption(
        "DELETE FROM wallet_promotion WHERE wallet_id = %(w)s AND amount_micros = 5000000",
        check="other sides",
        words=", row 2, books the promotion ",
    ),
    "a grant that counts as paid": Corruption(
        "UPDATE wallet_transfer SET promotion_micros = 0 WHERE wallet_id = %(w)s AND seq IN (7, 8)",
        check="other sides",
        words=", row 7, moves $1.0000 of given credit, and should count all of it as given, not $0.0000",
    ),
    "a top-up that succeeded without credit": Corruption(
        "INSERT INTO wallet_topup (id, wallet_id, origin, amount_micros, status, request_id, saves_card, checkout_url, decline_code, "
        "advice_code, network_decline_code, failure_message, receipt_number, paid_with, checks, resolved_at, payment_intent_id) VALUES "
        "('00000000-0000-4000-8000-000000000001', %(w)s, 'manual', 5000000, 'succeeded', 'r', false, '', '', '', '', '', 'W-9', '', 0, "
        "now(), 'pi_9')",
        check="top-ups",
        words=" has no credit for the top-up 00000000-0000-4000-8000-000000000001 of $5.0000, which succeeded",
    ),
    "a top-up of another amount": Corruption(
        "UPDATE wallet_topup SET amount_micros = 19000000 WHERE wallet_id = %(w)s",
        check="top-ups",
        words=", row 1, credits $20.0000 for the top-up ",
    ),
    "a top-up without a payment": Corruption(
        "UPDATE wallet_topup SET payment_intent_id = NULL WHERE wallet_id = %(w)s",
        check="top-ups",
        words=", which succeeded without a payment at Stripe",
    ),
    "a credit without a payment": Corruption(
        "UPDATE wallet_transfer SET reference = 'nothing' WHERE wallet_id = %(w)s AND seq = 1; UPDATE wallet_topup SET status = 'failed' "
        "WHERE wallet_id = %(w)s",
        check="credits",
        words=", row 1, credits money from Stripe for nothing, and there is no such top-up",
    ),
    "a credit of a payment that failed": Corruption(
        "UPDATE wallet_topup SET status = 'failed' WHERE wallet_id = %(w)s",
        check="credits",
        words=", which is failed, and should have succeeded",
    ),
    "a credit under another key": Corruption(
        "UPDATE wallet_transfer SET idempotency_key = 'mine' WHERE wallet_id = %(w)s AND seq = 1",
        check="credits",
        words=" under the key mine, and should do so under top-up:",
    ),
    "a credit that was doubled": Corruption(
        "INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, "
        "reference, description, happened_at, posted_at, idempotency_key) SELECT wallet_id, 14, debit, credit, amount_micros, "
        "promotion_micros, 50000000, kind, reference, description, happened_at, clock_timestamp(), 'again' FROM wallet_transfer WHERE "
        "wallet_id = %(w)s AND seq = 1; UPDATE wallet_wallet SET balance_micros = 50000000, last_seq = 14 WHERE workspace_id = %(w)s",
        check="top-ups",
        words=", row 14, is one of 2 credits for the top-up ",
    ),
    "a credit in another's book": Corruption(
        "INSERT INTO wallet_transfer (wallet_id, seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, "
        "reference, description, happened_at, posted_at, idempotency_key) SELECT %(w)s, 14, debit, credit, amount_micros, "
        "promotion_micros, 30000000 + amount_micros, kind, reference, description, happened_at, clock_timestamp(), idempotency_key FROM "
        "wallet_transfer WHERE wallet_id = %(elsewhere)s AND seq = 1; UPDATE wallet_wallet SET balance_micros = 3030000000, last_seq = "
        "14 WHERE workspace_id = %(w)s",
        check="credits",
        words=", which is {elsewhere}'s, and should stand in that wallet's book",
    ),
    "money that left to Stripe": Corruption(
        "UPDATE wallet_transfer SET credit = 'stripe' WHERE wallet_id = %(w)s AND seq = 3",
        check="credits",
        words=", row 3, moves from wallet to stripe, and what involves Stripe should move from stripe to wallet",
        first=False,
    ),
    "a refund booked as another": Corruption(
        "UPDATE wallet_transfer SET reference = 're_other' WHERE wallet_id = %(w)s AND seq = 4",
        check="refunds",
        words=" gave up $0.0000 for the refund re_kept_{w}, and should have given up $2.0000",
    ),
    "a refund that failed and was kept": Corruption(
        "UPDATE wallet_refund SET status = 'failed' WHERE stripe_refund_id = 're_kept_%(w)s'",
        check="refunds",
        words=" got $0.0000 back for the refund re_kept_{w}, which is failed, and should have got $2.0000",
    ),
    "a refund of somebody else's payment": Corruption(
        "UPDATE wallet_refund SET top_up_id = (SELECT id FROM wallet_topup WHERE wallet_id = %(elsewhere)s) WHERE wallet_id = %(w)s",
        check="refunds",
        words=" of a top-up that is another wallet's",
    ),
    "a refund that is gone": Corruption(
        "DELETE FROM wallet_refund WHERE stripe_refund_id = 're_kept_%(w)s'",
        check="other sides",
        words=", row 4, books the refund re_kept_{w}, and the wallet has no such refund",
    ),
    "a refund from elsewhere": Corruption(
        "UPDATE wallet_transfer SET debit = 'adjustments' WHERE wallet_id = %(w)s AND seq = 4; DELETE FROM wallet_refund WHERE "
        "stripe_refund_id = 're_kept_%(w)s'",
        check="other sides",
        words=", row 4, moves from adjustments to refunds, and should have the wallet on one side",
        first=False,
    ),
    "a dispute of another amount": Corruption(
        "UPDATE wallet_dispute SET withdrawn_micros = 15000000 WHERE wallet_id = %(w)s",
        check="disputes",
        words=" gave up $20.0000 for the dispute dp_{w}, and should have given up $15.0000",
    ),
    "a dispute that was won and not paid back": Corruption(
        "UPDATE wallet_dispute SET reinstated_micros = 20000000 WHERE wallet_id = %(w)s",
        check="disputes",
        words=" got $0.0000 back for the dispute dp_{w}, and should have got $20.0000",
    ),
    "a loss that was not lost": Corruption(
        "UPDATE wallet_dispute SET status = 'under_review' WHERE wallet_id = %(w)s",
        check="disputes",
        words=" wrote $20.0000 off for the dispute dp_{w}, which is under_review, and should have written off $0.0000",
    ),
    "a dispute of somebody else's payment": Corruption(
        "UPDATE wallet_dispute SET top_up_id = (SELECT id FROM wallet_topup WHERE wallet_id = %(elsewhere)s) WHERE wallet_id = %(w)s",
        check="disputes",
        words=" of a top-up that is another wallet's",
    ),
    "a dispute that is gone": Corruption(
        "DELETE FROM wallet_dispute WHERE wallet_id = %(w)s",
        check="other sides",
        words=", row 9, books the dispute dp_{w}, and the wallet has no such dispute",
    ),
}

"""The SQL by which check_books compares what the operator's people asked for with what became of it; see book_queries.

Raw for the same reason: each statement joins the books of many wallets with sums of their rows. Reads only.
"""

# Rows of a book that was kept elsewhere before have other keys, and no adjustment of ours behind them.
ADJUSTMENTS = """
WITH booked AS (
    SELECT
        wallet_id, idempotency_key, max(seq) AS seq, max(reference) AS reference,
        sum(CASE WHEN debit = 'adjustments' THEN amount_micros WHEN credit = 'adjustments' THEN -amount_micros ELSE 0 END) AS booked_micros
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND starts_with(idempotency_key, 'adjustment:')
    GROUP BY wallet_id, idempotency_key
), asked AS (
    SELECT wallet_id, id, 'adjustment:' || id AS idempotency_key, amount_micros, status
    FROM wallet_adjustment
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
), judged AS (
    SELECT
        wallet_id, booked.seq, booked.reference, booked.booked_micros, asked.id, asked.amount_micros, asked.status,
        CASE
            WHEN asked.id IS NULL OR booked.reference <> asked.id::text THEN 'no adjustment'
            WHEN asked.status = 'done' AND booked.seq IS NULL THEN 'not booked'
            WHEN asked.status <> 'done' AND booked.seq IS NOT NULL THEN 'not approved'
            WHEN booked.booked_micros <> asked.amount_micros THEN 'amount'
        END AS fault
    FROM asked FULL JOIN booked USING (wallet_id, idempotency_key)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
"""

GRANTS = """
WITH given AS (
    SELECT wallet_id, idempotency_key, id AS promotion_id, amount_micros AS given_micros
    FROM wallet_promotion
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND starts_with(idempotency_key, 'grant:')
), asked AS (
    SELECT wallet_id, 'grant:' || id AS idempotency_key, id, promotion_id AS names_id, amount_micros, status
    FROM wallet_promotiongrant
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
), judged AS (
    SELECT
        wallet_id, NULL AS seq, asked.id, asked.amount_micros, asked.status, given.promotion_id, given.given_micros,
        CASE
            WHEN asked.id IS NULL THEN 'no grant'
            WHEN asked.status = 'done' AND given.promotion_id IS DISTINCT FROM asked.names_id THEN 'not given'
            WHEN asked.status <> 'done' AND given.promotion_id IS NOT NULL THEN 'not approved'
            WHEN given.given_micros <> asked.amount_micros THEN 'amount'
        END AS fault
    FROM asked FULL JOIN given USING (wallet_id, idempotency_key)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, id LIMIT %(limit)s
"""

REFUND_REQUESTS = """
WITH aside AS (
    SELECT wallet_id, idempotency_key, sum(amount_micros) AS aside_micros
    FROM wallet_hold
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND status = 'open' AND purpose = 'refund'
    GROUP BY wallet_id, idempotency_key
), asked AS (
    SELECT
        request.wallet_id, 'refund:' || request.id AS idempotency_key, request.id, request.amount_micros, request.status,
        top_up.wallet_id AS paid_to, refund.stripe_refund_id, refund.amount_micros AS refunded_micros, refund.status AS refund_status,
        refund.top_up_id IS DISTINCT FROM request.top_up_id AS of_another,
        CASE WHEN request.status IN ('waiting', 'created', 'sending', 'unknown', 'manual_review') THEN request.amount_micros ELSE 0 END
            AS due_micros
    FROM wallet_refundrequest AS request
    JOIN wallet_topup AS top_up ON top_up.id = request.top_up_id
    LEFT JOIN wallet_refund AS refund ON refund.id = request.refund_id
    WHERE request.wallet_id > %(after)s AND request.wallet_id <= %(up_to)s
), judged AS (
    SELECT
        wallet_id, NULL AS seq, idempotency_key, asked.id, asked.amount_micros, asked.status, asked.due_micros,
        asked.stripe_refund_id, asked.refunded_micros, asked.refund_status, COALESCE(aside.aside_micros, 0) AS aside_micros,
        CASE
            WHEN asked.id IS NULL THEN 'no request'
            WHEN asked.paid_to <> wallet_id THEN 'elsewhere'
            WHEN COALESCE(aside.aside_micros, 0) <> asked.due_micros THEN 'set aside'
            WHEN asked.stripe_refund_id IS NOT NULL AND (asked.of_another OR asked.refunded_micros <> asked.amount_micros) THEN 'refund'
            WHEN asked.stripe_refund_id IS NOT NULL AND (asked.status = 'done') = (asked.refund_status IN ('failed', 'canceled'))
            THEN 'outcome'
        END AS fault
    FROM asked FULL JOIN aside USING (wallet_id, idempotency_key)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, idempotency_key LIMIT %(limit)s
"""

"""The SQL behind usage's part of check_books; see wallet/book_queries.py for the parameters and columns of all such statements.

Raw, as each compares millions of events with their transfers or sums, once and inside the database. Reads only.
"""

from usage.kinds import UsageKind

_KINDS = ", ".join(f"'{kind.value}'" for kind in UsageKind)

USES = """
WITH judged AS (
    SELECT
        event.wallet_id,
        event.transfer_seq AS seq,
        event.source,
        event.event_id,
        event.amount_micros,
        transfer.amount_micros AS booked_micros,
        CASE
            WHEN event.transfer_seq IS NULL AND event.amount_micros <> 0 THEN 'not charged'
            WHEN event.transfer_seq IS NULL THEN NULL
            WHEN transfer.seq IS NULL THEN 'no transfer'
            WHEN transfer.debit <> 'wallet' OR transfer.credit <> 'usage_revenue'
                OR transfer.reference <> replace(event.key::text, '-', '') THEN 'another transfer'
            WHEN transfer.amount_micros <> event.amount_micros THEN 'amount'
        END AS fault
    FROM usage_event AS event
    LEFT JOIN wallet_transfer AS transfer ON transfer.wallet_id = event.wallet_id AND transfer.seq = event.transfer_seq
    WHERE event.wallet_id > %(after)s AND event.wallet_id <= %(up_to)s
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
"""

# Whatever takes money for a use, by its kind or by its key: a charge that is put in by hand has no event.
CHARGES = """
WITH judged AS (
    SELECT
        transfer.wallet_id,
        transfer.seq,
        transfer.reference,
        transfer.amount_micros,
        transfer.idempotency_key,
        count(*) OVER same_use AS charges,
        CASE
            WHEN count(*) OVER same_use > 1 THEN 'charged twice'
            WHEN event.wallet_id IS NULL THEN 'no event'
            WHEN NOT starts_with(transfer.idempotency_key, 'event:')
                OR right(transfer.idempotency_key, length(transfer.reference) + 1) <> ':' || transfer.reference THEN 'key'
        END AS fault
    FROM wallet_transfer AS transfer
    LEFT JOIN usage_event AS event ON event.wallet_id = transfer.wallet_id AND event.transfer_seq = transfer.seq
    WHERE transfer.wallet_id > %(after)s AND transfer.wallet_id <= %(up_to)s
        AND (transfer.idempotency_key LIKE 'event:%%' OR transfer.kind IN ({kinds}))
    WINDOW same_use AS (PARTITION BY transfer.wallet_id, transfer.reference)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
""".replace("{kinds}", _KINDS)

DAYS = """
WITH counted AS (
    SELECT
        wallet_id, day, meter_id, is_late,
        count(*) AS events, sum(quantity) AS quantity, sum(billed_quantity) AS billed_quantity, sum(amount_micros) AS amount_micros
    FROM usage_event
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    GROUP BY wallet_id, day, meter_id, is_late
), summed AS (
    SELECT * FROM usage_usageday WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
), judged AS (
    SELECT
        wallet_id, NULL::bigint AS seq, day, meter_id,
        COALESCE(summed.events, 0) AS summed_events, COALESCE(counted.events, 0) AS counted_events,
        COALESCE(summed.amount_micros, 0) AS summed_micros, COALESCE(counted.amount_micros, 0) AS counted_micros,
        CASE
            WHEN summed.events IS DISTINCT FROM counted.events THEN 'events'
            WHEN summed.amount_micros IS DISTINCT FROM counted.amount_micros THEN 'amount'
            WHEN summed.quantity IS DISTINCT FROM counted.quantity
                OR summed.billed_quantity IS DISTINCT FROM counted.billed_quantity THEN 'quantity'
        END AS fault
    FROM counted
    FULL JOIN summed USING (wallet_id, day, meter_id, is_late)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, day, meter_id LIMIT %(limit)s
"""

CAPTURES = """
WITH charged AS (
    SELECT wallet_id, hold_id, sum(amount_micros) AS charged_micros
    FROM usage_event
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND hold_id IS NOT NULL
    GROUP BY wallet_id, hold_id
), judged AS (
    SELECT
        hold.wallet_id, NULL::bigint AS seq, hold.id, hold.captured_micros, COALESCE(charged.charged_micros, 0) AS charged_micros,
        CASE
            WHEN charged.hold_id IS NULL THEN 'not charged'
            WHEN hold.captured_micros > charged.charged_micros THEN 'amount'
        END AS fault
    FROM wallet_hold AS hold
    JOIN usage_holdterms AS terms ON terms.wallet_id = hold.wallet_id AND terms.hold_id = hold.id
    LEFT JOIN charged ON charged.wallet_id = hold.wallet_id AND charged.hold_id = hold.id
    WHERE hold.wallet_id > %(after)s AND hold.wallet_id <= %(up_to)s AND hold.status = 'captured'
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, id LIMIT %(limit)s
"""

KEPT = """
SELECT kept.wallet_id, NULL::bigint AS seq, kept.id, kept.source, kept.event_id, kept.resolution, 'lost' AS fault
FROM usage_keptevent AS kept
LEFT JOIN usage_event AS event ON event.wallet_id = kept.wallet_id AND event.key = kept.key
WHERE kept.wallet_id > %(after)s AND kept.wallet_id <= %(up_to)s AND event.wallet_id IS NULL
ORDER BY kept.wallet_id, kept.id
LIMIT %(limit)s
"""

BUDGETS = """
WITH budget AS (
    SELECT * FROM usage_budget WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
), spent AS (
    SELECT budget.wallet_id, budget.id AS budget_id, date_trunc('month', event.day)::date AS month, sum(event.amount_micros) AS micros
    FROM budget
    JOIN usage_event AS event ON event.wallet_id = budget.wallet_id AND event.day >= budget.counts_from
        AND CASE budget.scope WHEN 'agent' THEN event.agent WHEN 'number' THEN event.own_number ELSE event.api_key END = budget.value
    GROUP BY budget.wallet_id, budget.id, date_trunc('month', event.day)
), summed AS (
    SELECT wallet_id, budget_id, month, spent_micros AS micros
    FROM usage_budgetmonth
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
), compared AS (
    SELECT
        wallet_id, budget_id, month, COALESCE(summed.micros, 0) AS summed_micros, COALESCE(spent.micros, 0) AS spent_micros
    FROM spent FULL JOIN summed USING (wallet_id, budget_id, month)
)
SELECT compared.*, NULL::bigint AS seq, budget.scope, budget.value, 'spent' AS fault
FROM compared JOIN budget ON budget.id = compared.budget_id
WHERE summed_micros <> spent_micros
ORDER BY wallet_id, budget_id, month
LIMIT %(limit)s
"""

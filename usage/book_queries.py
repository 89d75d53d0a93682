"""The SQL behind usage's part of check_books; see wallet/book_queries.py for the parameters and columns of all such statements.

Raw, as each compares millions of events with their transfers or sums, once and inside the database. Reads only.
"""

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
            WHEN transfer.idempotency_key <> 'event:' || transfer.reference THEN 'key'
            WHEN count(*) OVER same_use > 1 THEN 'charged twice'
            WHEN event.wallet_id IS NULL THEN 'no event'
        END AS fault
    FROM wallet_transfer AS transfer
    LEFT JOIN usage_event AS event ON event.wallet_id = transfer.wallet_id AND event.transfer_seq = transfer.seq
    WHERE transfer.wallet_id > %(after)s AND transfer.wallet_id <= %(up_to)s AND transfer.idempotency_key LIKE 'event:%%'
    WINDOW same_use AS (PARTITION BY transfer.wallet_id, transfer.reference)
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
"""

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

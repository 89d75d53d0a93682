"""The SQL behind check_books: each statement answers one row per fault in the books of a range of wallets.

Raw, as each needs windows, FILTER or joins on sums that the ORM writes as one subquery per column: here a book of
millions of rows is read once per statement, inside the database. Reads only; the words stand in services/books.py.

Parameters of all: wallets with `after` < key ≤ `up_to`; at most `limit` faults; `accounts`, those that there are.
Columns of all: `wallet_id`, `seq` (NULL where no one row is at fault), `fault` (which of the statement's faults), and
what the words need, money as `…_micros`.
"""

CHAIN = """
WITH book AS (
    SELECT
        transfer.*,
        COALESCE(lag(seq) OVER book, 0) + 1 AS expected_seq,
        COALESCE(lag(balance_after_micros) OVER book, 0) AS before_micros,
        lag(posted_at) OVER book AS posted_before,
        CASE WHEN credit = 'wallet' THEN amount_micros WHEN debit = 'wallet' THEN -amount_micros ELSE 0 END AS change_micros
    FROM wallet_transfer AS transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    WINDOW book AS (PARTITION BY wallet_id ORDER BY seq)
), judged AS (
    SELECT
        book.*,
        before_micros + change_micros AS expected_micros,
        CASE
            WHEN wallet_id NOT IN (
                SELECT workspace_id FROM wallet_wallet WHERE workspace_id > %(after)s AND workspace_id <= %(up_to)s
            ) THEN 'no wallet'
            WHEN seq <> expected_seq THEN 'hole'
            WHEN amount_micros < 0 OR (amount_micros = 0 AND (debit, credit) <> ('wallet', 'usage_revenue')) THEN 'amount'
            WHEN debit = credit OR debit <> ALL (%(accounts)s) OR credit <> ALL (%(accounts)s) THEN 'accounts'
            WHEN promotion_micros NOT BETWEEN 0 AND amount_micros THEN 'given part'
            WHEN balance_after_micros <> before_micros + change_micros THEN 'balance'
            WHEN posted_at < posted_before THEN 'time'
        END AS fault
    FROM book
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
"""

SUMS = """
WITH booked AS (
    SELECT
        wallet_id,
        max(seq) AS newest_seq,
        sum(CASE WHEN credit = 'wallet' THEN amount_micros WHEN debit = 'wallet' THEN -amount_micros ELSE 0 END) AS balance_micros,
        sum(CASE WHEN credit = 'wallet' THEN promotion_micros WHEN debit = 'wallet' THEN -promotion_micros ELSE 0 END) AS promotion_micros
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    GROUP BY wallet_id
), held AS (
    SELECT wallet_id, sum(amount_micros) AS held_micros
    FROM wallet_hold
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND status = 'open'
    GROUP BY wallet_id
), given AS (
    SELECT wallet_id, sum(remaining_micros) AS left_micros
    FROM wallet_promotion
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    GROUP BY wallet_id
), compared AS (
    SELECT
        wallet.workspace_id AS wallet_id,
        wallet.last_seq,
        COALESCE(booked.newest_seq, 0) AS newest_seq,
        wallet.balance_micros,
        COALESCE(booked.balance_micros, 0) AS booked_micros,
        wallet.held_micros,
        COALESCE(held.held_micros, 0) AS open_micros,
        wallet.promotion_micros,
        COALESCE(booked.promotion_micros, 0) AS given_micros,
        COALESCE(given.left_micros, 0) AS left_micros
    FROM wallet_wallet AS wallet
    LEFT JOIN booked ON booked.wallet_id = wallet.workspace_id
    LEFT JOIN held ON held.wallet_id = wallet.workspace_id
    LEFT JOIN given ON given.wallet_id = wallet.workspace_id
    WHERE wallet.workspace_id > %(after)s AND wallet.workspace_id <= %(up_to)s
), judged AS (
    SELECT
        compared.*,
        NULL AS seq,
        unnest(ARRAY[
            CASE WHEN last_seq <> newest_seq THEN 'newest row' END,
            CASE WHEN balance_micros <> booked_micros THEN 'balance' END,
            CASE WHEN held_micros <> open_micros THEN 'held' END,
            CASE WHEN promotion_micros <> given_micros THEN 'given' END,
            CASE WHEN promotion_micros <> left_micros THEN 'left' END
        ]) AS fault
    FROM compared
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id LIMIT %(limit)s
"""

HOLDS = """
SELECT
    wallet_id, NULL AS seq, id, status, captured_micros,
    CASE WHEN (status = 'open') <> (resolved_at IS NULL) THEN 'resolved' ELSE 'captured' END AS fault
FROM wallet_hold
WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    AND ((status = 'open') <> (resolved_at IS NULL) OR (status <> 'captured' AND captured_micros <> 0))
ORDER BY wallet_id, id
LIMIT %(limit)s
"""

TOP_UPS = """
WITH credited AS (
    SELECT wallet_id, reference, count(*) AS credits, sum(amount_micros) AS credited_micros, max(seq) AS seq
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND debit = 'stripe'
    GROUP BY wallet_id, reference
), judged AS (
    SELECT
        top_up.wallet_id, credited.seq, top_up.id, top_up.amount_micros, credited.credits, credited.credited_micros,
        CASE
            WHEN credited.credits IS NULL THEN 'not credited'
            WHEN credited.credits > 1 THEN 'credited twice'
            WHEN credited.credited_micros <> top_up.amount_micros THEN 'amount'
            WHEN top_up.payment_intent_id IS NULL THEN 'no payment'
        END AS fault
    FROM wallet_topup AS top_up
    LEFT JOIN credited ON credited.wallet_id = top_up.wallet_id AND credited.reference = top_up.id::text
    WHERE top_up.wallet_id > %(after)s AND top_up.wallet_id <= %(up_to)s AND top_up.status = 'succeeded'
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, id LIMIT %(limit)s
"""

# A reference is opaque text: only what looks like a key is compared with one, and then along the index of the keys.
CREDITS = """
WITH paid AS (
    SELECT transfer.*, CASE WHEN reference ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN reference::uuid END AS top_up_id
    FROM wallet_transfer AS transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND (debit = 'stripe' OR credit = 'stripe')
), judged AS (
    SELECT
        paid.wallet_id, paid.seq, paid.reference, paid.debit, paid.credit, paid.idempotency_key, top_up.status,
        top_up.wallet_id AS owner_id,
        CASE
            WHEN paid.debit <> 'stripe' OR paid.credit <> 'wallet' THEN 'direction'
            WHEN top_up.id IS NULL THEN 'no payment'
            WHEN top_up.wallet_id <> paid.wallet_id THEN 'elsewhere'
            WHEN top_up.status <> 'succeeded' THEN 'not paid'
            WHEN paid.idempotency_key <> 'top-up:' || paid.reference THEN 'key'
        END AS fault
    FROM paid
    LEFT JOIN wallet_topup AS top_up ON top_up.id = paid.top_up_id
)
SELECT judged.*, workspace.public_id AS owner
FROM judged LEFT JOIN workspaces_workspace AS workspace ON workspace.id = judged.owner_id
WHERE fault IS NOT NULL
ORDER BY wallet_id, seq
LIMIT %(limit)s
"""

REFUNDS = """
WITH booked AS (
    SELECT
        wallet_id, reference,
        sum(amount_micros) FILTER (WHERE debit = 'wallet') AS taken_micros,
        sum(amount_micros) FILTER (WHERE credit = 'wallet') AS returned_micros
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND (debit = 'refunds' OR credit = 'refunds')
    GROUP BY wallet_id, reference
), due AS (
    SELECT
        refund.wallet_id, refund.stripe_refund_id, refund.status, top_up.wallet_id AS paid_to,
        CASE WHEN top_up.status = 'succeeded' THEN refund.amount_micros ELSE 0 END AS due_micros,
        CASE
            WHEN top_up.status = 'succeeded' AND refund.status IN ('failed', 'canceled')
            THEN refund.amount_micros ELSE 0
        END AS due_back_micros
    FROM wallet_refund AS refund JOIN wallet_topup AS top_up ON top_up.id = refund.top_up_id
    WHERE refund.wallet_id > %(after)s AND refund.wallet_id <= %(up_to)s
), judged AS (
    SELECT
        due.*, NULL AS seq, COALESCE(booked.taken_micros, 0) AS taken_micros, COALESCE(booked.returned_micros, 0) AS returned_micros,
        CASE
            WHEN due.paid_to <> due.wallet_id THEN 'elsewhere'
            WHEN COALESCE(booked.taken_micros, 0) <> due.due_micros THEN 'taken'
            WHEN COALESCE(booked.returned_micros, 0) <> due.due_back_micros THEN 'returned'
        END AS fault
    FROM due LEFT JOIN booked ON booked.wallet_id = due.wallet_id AND booked.reference = due.stripe_refund_id
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, stripe_refund_id LIMIT %(limit)s
"""

DISPUTES = """
WITH booked AS (
    SELECT
        wallet_id, reference,
        sum(amount_micros) FILTER (WHERE debit = 'wallet') AS taken_micros,
        sum(amount_micros) FILTER (WHERE credit = 'wallet') AS returned_micros,
        -- Net of what was won after it had been written off.
        COALESCE(sum(amount_micros) FILTER (WHERE credit = 'write_offs'), 0)
            - COALESCE(sum(amount_micros) FILTER (WHERE debit = 'write_offs'), 0) AS lost_micros,
        bool_or(credit = 'write_offs') AS was_lost
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
        AND (debit IN ('disputes', 'write_offs') OR credit IN ('disputes', 'write_offs'))
    GROUP BY wallet_id, reference
), due AS (
    SELECT
        dispute.wallet_id, dispute.stripe_dispute_id, dispute.status, top_up.wallet_id AS paid_to,
        CASE WHEN top_up.status = 'succeeded' THEN dispute.withdrawn_micros ELSE 0 END AS due_micros,
        CASE WHEN top_up.status = 'succeeded' THEN dispute.reinstated_micros ELSE 0 END AS due_back_micros,
        CASE
            -- Won after it was lost: written off until the money is back.
            WHEN top_up.status = 'succeeded' AND (dispute.status = 'lost' OR (dispute.status = 'won' AND booked.was_lost))
            THEN greatest(dispute.withdrawn_micros - dispute.reinstated_micros, 0) ELSE 0
        END AS due_lost_micros,
        COALESCE(booked.taken_micros, 0) AS taken_micros, COALESCE(booked.returned_micros, 0) AS returned_micros,
        COALESCE(booked.lost_micros, 0) AS lost_micros
    FROM wallet_dispute AS dispute
    LEFT JOIN booked ON booked.wallet_id = dispute.wallet_id AND booked.reference = dispute.stripe_dispute_id
    JOIN wallet_topup AS top_up ON top_up.id = dispute.top_up_id
    WHERE dispute.wallet_id > %(after)s AND dispute.wallet_id <= %(up_to)s
), judged AS (
    SELECT
        due.*, NULL AS seq,
        CASE
            WHEN paid_to <> wallet_id THEN 'elsewhere'
            WHEN taken_micros <> due_micros THEN 'taken'
            WHEN returned_micros <> due_back_micros THEN 'returned'
            WHEN lost_micros <> due_lost_micros THEN 'lost'
        END AS fault
    FROM due
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, stripe_dispute_id LIMIT %(limit)s
"""

PROMOTIONS = """
WITH booked AS (
    SELECT
        wallet_id, reference,
        sum(amount_micros) FILTER (WHERE credit = 'wallet') AS granted_micros,
        sum(amount_micros) FILTER (WHERE debit = 'wallet') AS expired_micros
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s AND (debit = 'promotions' OR credit = 'promotions')
    GROUP BY wallet_id, reference
), judged AS (
    SELECT
        promotion.wallet_id, NULL AS seq, promotion.id, promotion.amount_micros, promotion.remaining_micros,
        COALESCE(booked.granted_micros, 0) AS granted_micros, COALESCE(booked.expired_micros, 0) AS expired_micros,
        CASE
            WHEN COALESCE(booked.granted_micros, 0) <> promotion.amount_micros THEN 'granted'
            WHEN promotion.remaining_micros > promotion.amount_micros - COALESCE(booked.expired_micros, 0) THEN 'left'
        END AS fault
    FROM wallet_promotion AS promotion
    LEFT JOIN booked ON booked.wallet_id = promotion.wallet_id AND booked.reference = promotion.id::text
    WHERE promotion.wallet_id > %(after)s AND promotion.wallet_id <= %(up_to)s
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, id LIMIT %(limit)s
"""

OTHER_SIDES = """
WITH sided AS (
    SELECT
        wallet_id, seq, reference, debit, credit, amount_micros, promotion_micros,
        ARRAY[debit, credit] AS sides,
        CASE WHEN reference ~ '^[0-9]{1,18}$' THEN reference::bigint END AS promotion_id
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
        AND (debit IN ('refunds', 'disputes', 'write_offs', 'promotions') OR credit IN ('refunds', 'disputes', 'write_offs', 'promotions'))
), judged AS (
    SELECT
        sided.*,
        CASE
            WHEN 'wallet' <> ALL (sides) AND (debit, credit) <> ('disputes', 'write_offs') THEN 'direction'
            WHEN 'refunds' = ANY (sides) AND refund.id IS NULL THEN 'no refund'
            WHEN ('disputes' = ANY (sides) OR 'write_offs' = ANY (sides)) AND dispute.id IS NULL THEN 'no dispute'
            WHEN 'promotions' = ANY (sides) AND promotion.id IS NULL THEN 'no promotion'
            WHEN 'promotions' = ANY (sides) AND sided.promotion_micros <> sided.amount_micros THEN 'given part'
        END AS fault
    FROM sided
    LEFT JOIN wallet_refund AS refund ON refund.stripe_refund_id = sided.reference AND refund.wallet_id = sided.wallet_id
    LEFT JOIN wallet_dispute AS dispute ON dispute.stripe_dispute_id = sided.reference AND dispute.wallet_id = sided.wallet_id
    LEFT JOIN wallet_promotion AS promotion ON promotion.id = sided.promotion_id AND promotion.wallet_id = sided.wallet_id
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, seq LIMIT %(limit)s
"""

# What the accounts of a range of books add up to, and over how many rows.
ACCOUNTS = """
SELECT currency, account, sum(micros) AS net_micros, sum(counted) AS transfers
FROM (
    SELECT wallet_id, credit AS account, sum(amount_micros) AS micros, count(*) AS counted
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    GROUP BY wallet_id, credit
    UNION ALL
    SELECT wallet_id, debit, -sum(amount_micros), 0
    FROM wallet_transfer
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    GROUP BY wallet_id, debit
) AS sides
JOIN wallet_wallet AS wallet ON wallet.workspace_id = sides.wallet_id
WHERE account = ANY (%(accounts)s)
GROUP BY currency, account
"""

"""The SQL behind seals: digests are taken inside the database, a stretch of one book at a time, in bounded memory.

Raw, as the ORM has no word for sha256 over ordered rows. What a row's text is must never change: seals of years rest on it.
"""

STRETCH_ROWS_MAX = 50_000
"""Rows under one seal: some 15 MB of text at most, held for the moment of its digest."""

# Numbers for times, so that no setting of a session changes how they are written; U+001F between columns, a line per row.
_ROW_TEXT = """
concat_ws(E'\\x1f', seq, debit, credit, amount_micros, promotion_micros, balance_after_micros, kind, reference, description,
    (extract(epoch FROM happened_at) * 1000000)::bigint, (extract(epoch FROM posted_at) * 1000000)::bigint, idempotency_key)
"""
_ROWS_SHA256 = f"sha256(convert_to(string_agg({_ROW_TEXT}, E'\\n' ORDER BY seq), 'UTF8'))"

SEAL_STRETCHES = f"""
INSERT INTO wallet_seal (wallet_id, number, day, after_seq, through_seq, rows_sha256, chain_sha256)
SELECT
    due.wallet_id, due.number + 1, %(day)s, due.through_seq, stretch.through_seq, stretch.rows_sha256,
    sha256(due.chain_sha256 || stretch.rows_sha256)
FROM (
    SELECT
        wallet.workspace_id AS wallet_id,
        COALESCE(newest.number, 0) AS number,
        COALESCE(newest.through_seq, 0) AS through_seq,
        COALESCE(newest.chain_sha256, ''::bytea) AS chain_sha256
    FROM wallet_wallet AS wallet
    LEFT JOIN LATERAL (
        SELECT number, through_seq, chain_sha256 FROM wallet_seal WHERE wallet_id = wallet.workspace_id ORDER BY number DESC LIMIT 1
    ) AS newest ON true
    WHERE wallet.workspace_id > %(after)s AND wallet.last_seq > COALESCE(newest.through_seq, 0) AND EXISTS (
        SELECT FROM wallet_transfer AS next
        WHERE next.wallet_id = wallet.workspace_id AND next.seq = COALESCE(newest.through_seq, 0) + 1 AND next.posted_at < %(until)s
    )
    -- A day that has its digest takes no more seals: what is booked late is the next day's.
    AND NOT EXISTS (SELECT FROM wallet_dayseal WHERE wallet_dayseal.day >= %(day)s)
    ORDER BY wallet.workspace_id
    LIMIT %(wallets)s
) AS due
CROSS JOIN LATERAL (
    SELECT max(seq) AS through_seq, {_ROWS_SHA256} AS rows_sha256
    FROM (
        SELECT * FROM wallet_transfer
        WHERE wallet_id = due.wallet_id AND seq > due.through_seq AND seq <= due.through_seq + {STRETCH_ROWS_MAX}
            AND posted_at < %(until)s
    ) AS transfer
) AS stretch
WHERE stretch.through_seq IS NOT NULL
ON CONFLICT DO NOTHING
RETURNING wallet_id
"""  # noqa: S608 -- put together from this module's own constants

SEAL_DAY = """
INSERT INTO wallet_dayseal (day, seals, transfers, chain_sha256)
SELECT
    %(day)s, count(*), COALESCE(sum(through_seq - after_seq), 0),
    sha256(
        COALESCE((SELECT chain_sha256 FROM wallet_dayseal WHERE day < %(day)s ORDER BY day DESC LIMIT 1), ''::bytea)
        || COALESCE(string_agg(convert_to(wallet_id || ':' || number || ':', 'UTF8') || chain_sha256, ''::bytea
            ORDER BY wallet_id, number), ''::bytea)
    )
FROM wallet_seal WHERE day = %(day)s
ON CONFLICT DO NOTHING
"""

BROKEN_SEALS = f"""
WITH seal AS (
    SELECT
        seal.*,
        COALESCE(lag(number) OVER chain, 0) AS number_before,
        COALESCE(lag(through_seq) OVER chain, 0) AS through_before,
        COALESCE(lag(chain_sha256) OVER chain, ''::bytea) AS chain_before
    FROM wallet_seal AS seal
    WHERE wallet_id > %(after)s AND wallet_id <= %(up_to)s
    WINDOW chain AS (PARTITION BY wallet_id ORDER BY number)
), judged AS (
    SELECT
        seal.wallet_id, NULL::bigint AS seq, seal.number, seal.number_before + 1 AS expected_number, seal.day,
        seal.after_seq + 1 AS first_seq, seal.through_seq,
        CASE
            WHEN seal.number <> seal.number_before + 1 OR seal.after_seq <> seal.through_before THEN 'seal missing'
            WHEN seal.chain_sha256 <> sha256(seal.chain_before || seal.rows_sha256) THEN 'seal changed'
            WHEN book.rows_sha256 IS DISTINCT FROM seal.rows_sha256 THEN 'rows changed'
        END AS fault
    FROM seal
    CROSS JOIN LATERAL (
        SELECT {_ROWS_SHA256} AS rows_sha256 FROM wallet_transfer
        WHERE wallet_id = seal.wallet_id AND seq > seal.after_seq AND seq <= seal.through_seq
    ) AS book
)
SELECT * FROM judged WHERE fault IS NOT NULL ORDER BY wallet_id, number LIMIT %(limit)s
"""  # noqa: S608 -- put together from this module's own constants

DAY_CHAIN = """
SELECT
    day.day,
    day.chain_sha256 = sha256(
        COALESCE((SELECT chain_sha256 FROM wallet_dayseal AS before WHERE before.day < day.day ORDER BY before.day DESC LIMIT 1), ''::bytea)
        || COALESCE((
            SELECT string_agg(convert_to(wallet_id || ':' || number || ':', 'UTF8') || seal.chain_sha256, ''::bytea
                ORDER BY wallet_id, number)
            FROM wallet_seal AS seal WHERE seal.day = day.day
        ), ''::bytea)
    ) AS is_as_sealed
FROM (SELECT * FROM wallet_dayseal WHERE day > %(after)s ORDER BY day LIMIT %(days)s) AS day
ORDER BY day.day
"""

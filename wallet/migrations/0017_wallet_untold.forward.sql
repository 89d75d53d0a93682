-- What the database itself keeps of how a wallet stands, so that the sweep finds by index who must be told.
-- By a trigger: a generated column would have the table written anew, while nobody can charge or pay. What it keeps is in columns, and not
-- in indexes over the sums themselves, which would end updates in place (HOT). Who adds a currency replaces the function.
-- All of it can be run again after it was broken off.

-- services.standing._next, as far as a row shows it without a clock. Nothing here overflows where the sums themselves do not: that would
-- stop every write to the row. In the grace time and after it the time decides: there the sweep goes by wallet_grace_end.
CREATE OR REPLACE FUNCTION wallet_is_untold(
    told varchar, balance bigint, held bigint, overdraft bigint, seq bigint, depleted timestamptz, chosen_level bigint, currency varchar,
    closed timestamptz
) RETURNS boolean LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    level bigint;
BEGIN
    IF closed IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    IF seq = 0 AND depleted IS NULL THEN
        RETURN told <> 'fine';
    END IF;
    IF depleted IS NOT NULL OR balance <= 0 THEN
        IF balance <= held - overdraft THEN
            RETURN told <> 'paused';
        END IF;
        RETURN told <> 'depleted' AND (told <> 'paused' OR depleted IS NULL);
    END IF;
    level := COALESCE(chosen_level, CASE
        WHEN currency IN ('aud', 'bhd', 'cad', 'chf', 'eur', 'gbp', 'kwd', 'nzd', 'sgd', 'usd') THEN 5000000
        WHEN currency IN ('brl', 'pln') THEN 25000000
        WHEN currency IN ('dkk', 'hkd', 'nok', 'sek') THEN 50000000
        WHEN currency IN ('mxn', 'zar') THEN 100000000
        WHEN currency = 'jpy' THEN 500000000
    END);
    IF told = 'low' THEN
        RETURN (balance - held) / 2 >= level;
    END IF;
    RETURN told <> CASE WHEN balance - held < level THEN 'low' ELSE 'fine' END;
END
$$;

-- Wallet.grace_until. Immutable, as minutes are as long in every zone.
CREATE OR REPLACE FUNCTION wallet_grace_end(depleted timestamptz, minutes integer, extended timestamptz)
RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF depleted IS NULL THEN
        RETURN NULL;
    END IF;
    RETURN GREATEST(depleted + make_interval(mins => minutes), extended);
END
$$;

CREATE OR REPLACE FUNCTION wallet_keep_standing() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.grace_ends_at := wallet_grace_end(NEW.depleted_at, NEW.grace_minutes, NEW.grace_extended_until);
    NEW.is_untold := wallet_is_untold(
        NEW.announced, NEW.balance_micros, NEW.held_micros, NEW.overdraft_micros, NEW.last_seq, NEW.depleted_at, NEW.low_balance_micros,
        NEW.currency, NEW.closed_at
    );
    RETURN NEW;
END
$$;

DROP TRIGGER IF EXISTS wallet_keeps_standing ON wallet_wallet;
ALTER TABLE wallet_wallet
    DROP COLUMN IF EXISTS grace_ends_at, DROP COLUMN IF EXISTS is_untold,
    ADD COLUMN grace_ends_at timestamptz, ADD COLUMN is_untold boolean;
CREATE TRIGGER wallet_keeps_standing BEFORE INSERT OR UPDATE ON wallet_wallet
    FOR EACH ROW EXECUTE FUNCTION wallet_keep_standing();

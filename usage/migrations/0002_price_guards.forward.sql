-- Tiers that would stop every process from pricing anything must not get in, whoever writes them.
CREATE FUNCTION usage_is_whole(number jsonb) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    -- In this order: what is no number, or has a fraction, must not be compared.
    RETURN CASE
        WHEN number IS NULL OR jsonb_typeof(number) <> 'number' OR number::text !~ '^[0-9]+$' THEN false
        ELSE number::text::numeric <= 9223372036854775807
    END;
END
$$;

CREATE FUNCTION usage_tiers_are_valid(tiers jsonb, price_micros bigint) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    tier jsonb;
    reached numeric := 0;
    is_open boolean := true;
BEGIN
    IF jsonb_typeof(tiers) IS DISTINCT FROM 'array' OR jsonb_array_length(tiers) > 20 THEN
        RETURN false;
    END IF;
    IF jsonb_array_length(tiers) = 0 THEN
        RETURN true;
    END IF;
    FOR tier IN SELECT jsonb_array_elements(tiers) LOOP
        -- Nothing may follow the tier without an end.
        IF NOT is_open OR jsonb_typeof(tier) <> 'object' OR NOT public.usage_is_whole(tier -> 'price_micros') THEN
            RETURN false;
        END IF;
        IF tier - 'price_micros' = '{"up_to": null}' THEN
            is_open := false;
        ELSIF tier - 'price_micros' - 'up_to' = '{}' AND public.usage_is_whole(tier -> 'up_to') THEN
            IF (tier ->> 'up_to')::numeric <= reached THEN
                RETURN false;
            END IF;
            reached := (tier ->> 'up_to')::numeric;
        ELSE
            RETURN false;
        END IF;
    END LOOP;
    RETURN NOT is_open AND (tiers -> 0 ->> 'price_micros')::bigint = price_micros;
END
$$;

ALTER TABLE usage_rate ADD CONSTRAINT rate_tiers_climb CHECK (usage_tiers_are_valid(tiers, price_micros));

-- Events name their rate for ever: it stays what it was, and what it has been in force for stays in force.
CREATE FUNCTION usage_refuse_rate_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'valid_until' IS DISTINCT FROM to_jsonb(OLD) - 'valid_until' THEN
        RAISE EXCEPTION 'rate % stands: end it and publish another', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.valid_until < now() AND NEW.valid_until < COALESCE(OLD.valid_until, 'infinity') THEN
        RAISE EXCEPTION 'rate % cannot end in the past: uses were priced by it', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

CREATE TRIGGER rate_is_never_changed BEFORE UPDATE ON usage_rate
    FOR EACH ROW EXECUTE FUNCTION usage_refuse_rate_change();

CREATE FUNCTION usage_refuse_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: prices are ended, never removed', TG_OP, TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER rate_is_never_deleted BEFORE DELETE ON usage_rate
    FOR EACH ROW EXECUTE FUNCTION usage_refuse_removal();
CREATE TRIGGER rate_is_never_truncated BEFORE TRUNCATE ON usage_rate
    FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_removal();

-- A rate's figures mean what its meter's unit and its card's currency say, so those stay too.
CREATE FUNCTION usage_refuse_meter_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'meter % keeps its key, unit and kind: make another meter', OLD.key USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER meter_keeps_its_meaning BEFORE UPDATE ON usage_meter
    FOR EACH ROW WHEN ((NEW.key, NEW.unit, NEW.kind) IS DISTINCT FROM (OLD.key, OLD.unit, OLD.kind))
    EXECUTE FUNCTION usage_refuse_meter_change();

CREATE FUNCTION usage_refuse_card_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rate card % keeps its currency and its workspace: make another card', OLD.id USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER rate_card_keeps_its_meaning BEFORE UPDATE ON usage_ratecard
    FOR EACH ROW WHEN ((NEW.currency, NEW.workspace_id) IS DISTINCT FROM (OLD.currency, OLD.workspace_id))
    EXECUTE FUNCTION usage_refuse_card_change();

-- Every process that has cached prices compares the token in its own transaction and drops the cache when it is another.
INSERT INTO usage_priceversion (id, number, token) VALUES (1, 0, gen_random_uuid());

CREATE FUNCTION usage_raise_price_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE usage_priceversion SET number = number + 1, token = gen_random_uuid(), changed_at = clock_timestamp() WHERE id = 1;
    RETURN NULL;
END
$$;

CREATE TRIGGER meter_raises_price_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_meter
    FOR EACH STATEMENT EXECUTE FUNCTION usage_raise_price_version();
CREATE TRIGGER rate_card_raises_price_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_ratecard
    FOR EACH STATEMENT EXECUTE FUNCTION usage_raise_price_version();
CREATE TRIGGER rate_raises_price_version AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON usage_rate
    FOR EACH STATEMENT EXECUTE FUNCTION usage_raise_price_version();

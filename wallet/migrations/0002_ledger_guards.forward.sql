-- A transfer is never changed and never removed: corrections are new rows.
-- The app's role has no right to try (prepare_database); these triggers stop the owner's own slips as well.
CREATE FUNCTION wallet_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: rows of the ledger are never changed or removed, post a correction', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER transfer_is_never_updated BEFORE UPDATE ON wallet_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER transfer_is_never_deleted BEFORE DELETE ON wallet_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();
CREATE TRIGGER transfer_is_never_truncated BEFORE TRUNCATE ON wallet_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION wallet_refuse_change();

-- Receipt numbers are quoted by people, so they are short; a number skipped by a rollback is never used again.
CREATE SEQUENCE wallet_receipt_number AS bigint;

-- What was done stays done: rows of the audit log are never changed and never removed.
-- The app's role has no right to try (prepare_database); these triggers stop the owner's own slips as well.
CREATE FUNCTION workspaces_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% on % is refused: the audit log is only added to', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER audit_entry_is_never_updated BEFORE UPDATE ON workspaces_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION workspaces_refuse_change();
CREATE TRIGGER audit_entry_is_never_deleted BEFORE DELETE ON workspaces_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION workspaces_refuse_change();
CREATE TRIGGER audit_entry_is_never_truncated BEFORE TRUNCATE ON workspaces_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION workspaces_refuse_change();

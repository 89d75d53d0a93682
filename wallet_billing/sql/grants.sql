-- What the app's role may do. `manage.py prepare_database` runs it as the owner after the migrations; safe to run again.
-- Settings handed in: wallet.app_role, and wallet.append_only_tables separated by commas.
DO $grants$
DECLARE
    app_role text := current_setting('wallet.app_role');
    table_name text;
BEGIN
    -- From nothing, so that a right taken away here is gone there. One transaction: nobody sees the moment between.
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA public FROM PUBLIC, %I', app_role);
    EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA public FROM PUBLIC, %I', app_role);
    EXECUTE format('REVOKE ALL ON SCHEMA public FROM %I', app_role);

    EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', app_role);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO %I', app_role);
    EXECUTE format('GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO %I', app_role);

    -- The books only grow.
    FOREACH table_name IN ARRAY string_to_array(current_setting('wallet.append_only_tables'), ',') LOOP
        EXECUTE format('REVOKE UPDATE, DELETE ON TABLE %I FROM %I', table_name, app_role);
    END LOOP;

    -- What has been migrated is the owner's word.
    EXECUTE format('REVOKE INSERT, UPDATE, DELETE ON TABLE django_migrations FROM %I', app_role);
END
$grants$;

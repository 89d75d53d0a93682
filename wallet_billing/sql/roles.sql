-- The two roles of the product, and whose the database is. Run as a superuser, connected to the wallet's database; safe to run again.
-- Hand the passwords over without writing them down:
--   PGOPTIONS="-c wallet.owner_password=… -c wallet.app_password=…" psql wallet -f roles.sql
DO $roles$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY ARRAY['wallet_owner', 'wallet_app'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('CREATE ROLE %I', role_name);
        END IF;
        EXECUTE format('ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS', role_name);
    END LOOP;
    EXECUTE format('ALTER ROLE wallet_owner PASSWORD %L', current_setting('wallet.owner_password'));
    EXECUTE format('ALTER ROLE wallet_app PASSWORD %L', current_setting('wallet.app_password'));

    -- The owner makes and changes tables: migrations run as this role and nothing else does.
    EXECUTE format('ALTER DATABASE %I OWNER TO wallet_owner', current_database());
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    -- The app needs temporary tables to take in batches of events.
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO wallet_app', current_database());
END
$roles$;

ALTER SCHEMA public OWNER TO wallet_owner;
REVOKE ALL ON SCHEMA public FROM PUBLIC;

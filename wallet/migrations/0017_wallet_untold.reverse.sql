DROP TRIGGER wallet_keeps_standing ON wallet_wallet;
ALTER TABLE wallet_wallet DROP COLUMN is_untold, DROP COLUMN grace_ends_at;
DROP FUNCTION wallet_keep_standing;
DROP FUNCTION wallet_is_untold;
DROP FUNCTION wallet_grace_end;

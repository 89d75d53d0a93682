DROP FUNCTION wallet_is_untold;
DROP FUNCTION wallet_grace_end;

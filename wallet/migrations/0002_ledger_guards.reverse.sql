DROP SEQUENCE wallet_receipt_number;
DROP TRIGGER transfer_is_never_truncated ON wallet_transfer;
DROP TRIGGER transfer_is_never_deleted ON wallet_transfer;
DROP TRIGGER transfer_is_never_updated ON wallet_transfer;
DROP FUNCTION wallet_refuse_change();

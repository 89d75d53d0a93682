"""What can be done to a wallet: one public function per act, each naming its locks, errors and idempotency."""

"""What can be done with use and prices: one public function per act, each naming its locks, errors and idempotency."""

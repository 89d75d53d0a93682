"""What people do from beginning to end, in a browser, on the real thing: web, worker, sandbox, database, queue and mail."""

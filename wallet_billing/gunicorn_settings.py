"""How gunicorn runs the product, wherever it runs: `gunicorn -c python:wallet_billing.gunicorn_settings wallet_billing.wsgi`.

Address, workers and threads come from the command line; this holds what must be the same everywhere.
"""

from wallet_billing.logs import logging_settings

worker_class = "gthread"
# A worker is replaced after about this many requests, so that a slow leak never becomes an outage.
max_requests = 10_000
max_requests_jitter = 1_000
# Longer than any statement may take (statement_timeout), so that the database is the one to give up.
timeout = 75
graceful_timeout = 20
keepalive = 5
# The product logs each request itself, with the tokens of payment links taken out of the address.
accesslog = None
logconfig_dict = logging_settings()
# Whom to trust about the client's address is decided by TRUSTED_PROXY_COUNT alone.
forwarded_allow_ips = ""
# An administration socket that nobody here uses.
control_socket_disable = True

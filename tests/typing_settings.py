"""The product's settings as mypy reads them: types only, so the addresses need not exist."""

import os

from tests.environment import product_environment

os.environ.update(
    product_environment(
        database_url="postgres://wallet_app@127.0.0.1/wallet",
        redis_url="redis://127.0.0.1",
        site_url="http://testserver",
        mail_folder=".",
    )
)

from wallet_billing.settings import *  # noqa: F403 -- the environment has to stand before the settings read it

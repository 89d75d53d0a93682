"""PostgreSQL and Valkey together: embedded, unless the environment names servers to use instead."""

from collections.abc import Mapping
from dataclasses import dataclass

from wallet_billing.local.account import server_account
from wallet_billing.local.child import Child
from wallet_billing.local.console import Console
from wallet_billing.local.databases import APP_ROLE, OWNER_ROLE, ensure_database
from wallet_billing.local.errors import LaunchError
from wallet_billing.local.postgres import Postgres
from wallet_billing.local.state import StateDirectory
from wallet_billing.local.valkey import Valkey

DATABASE_NAME = "wallet"


@dataclass
class Services:
    """Where the product finds its database and its queue, and what we run for it ourselves."""

    database_url: str
    database_owner_url: str
    redis_url: str
    postgres: Postgres | None
    valkey: Valkey | None

    def children(self) -> list[Child]:
        """The servers' processes, for whoever watches them."""
        return [server.child for server in (self.postgres, self.valkey) if server is not None]

    def stop(self) -> None:
        """Stops what is ours, PostgreSQL last."""
        if self.valkey is not None:
            self.valkey.stop()
        if self.postgres is not None:
            self.postgres.stop()


def start_services(state: StateDirectory, *, given: Mapping[str, str], console: Console, durable: bool = True) -> Services:
    """Starts what the environment does not name. Raises LaunchError."""
    services = Services(
        database_url=given.get("DATABASE_URL", ""),
        database_owner_url=given.get("DATABASE_OWNER_URL", ""),
        redis_url=given.get("REDIS_URL", ""),
        postgres=None,
        valkey=None,
    )
    if bool(services.database_url) != bool(services.database_owner_url):
        raise LaunchError(
            "DATABASE_URL and DATABASE_OWNER_URL belong together: set both, for the app's role and for the owner's, or neither."
        )
    try:
        if not services.database_url:
            services.postgres = _start_postgres(state, console=console, durable=durable)
            _name_database(services, state=state)
        if not services.redis_url:
            services.valkey = _start_valkey(state, console=console, durable=durable)
            services.redis_url = services.valkey.url()
    except BaseException:
        services.stop()
        raise
    return services


def _start_postgres(state: StateDirectory, *, console: Console, durable: bool) -> Postgres:
    account = server_account()
    secrets = state.secrets()
    home = state.server_home(account=account)
    postgres = Postgres(
        home=home, password=secrets.superuser_password, log_path=state.log_path("postgres"), account=account, durable=durable
    )
    if not postgres.data.exists():
        console.say(f"  PostgreSQL keeps its data in {postgres.data}")
    with console.step("Starting PostgreSQL" if postgres.data.exists() else "Making a PostgreSQL database"):
        postgres.prepare()
        postgres.start()
        try:
            ensure_database(postgres, name=DATABASE_NAME, secrets=secrets)
        except BaseException:
            postgres.stop()
            raise
    return postgres


def _name_database(services: Services, *, state: StateDirectory) -> None:
    assert services.postgres is not None, "the database is named after its server has started"
    secrets = state.secrets()
    services.database_url = services.postgres.url(role=APP_ROLE, password=secrets.app_password, database=DATABASE_NAME)
    services.database_owner_url = services.postgres.url(role=OWNER_ROLE, password=secrets.owner_password, database=DATABASE_NAME)


def _start_valkey(state: StateDirectory, *, console: Console, durable: bool) -> Valkey:
    account = server_account()
    home = state.server_home(account=account)
    valkey = Valkey(
        home=home, password=state.secrets().valkey_password, log_path=state.log_path("valkey"), account=account, durable=durable
    )
    with console.step("Starting Valkey"):
        valkey.start()
    return valkey

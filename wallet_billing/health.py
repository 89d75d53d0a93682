"""Two questions of a load balancer: is the process up, and can it do its work. Neither answer tells a stranger anything of use."""

from collections.abc import Callable

import redis
import structlog
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connection, connections
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

logger = structlog.get_logger(__name__)

REDIS_TIMEOUT_SECONDS = 2


class Health:
    """Answers both before the host's name is looked at: a load balancer asks a machine by its number."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """The answer of one of the two, or the product's."""
        answer = {"/healthz": healthz, "/readyz": readyz}.get(request.path, self._get_response)
        return answer(request)


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers. It asks nobody else, so that a database that is down does not get the web processes restarted."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> HttpResponse:
    """PostgreSQL answers, its migrations are applied and Redis answers; else 503 and which of them does not."""
    problems = database_problems() or migration_problems()
    problems |= redis_problems()
    if problems:
        logger.warning("not ready", problems=problems)
        return JsonResponse({"status": "unavailable", "problems": problems}, status=503)
    return JsonResponse({"status": "ok"})


def database_problems() -> dict[str, str]:
    """Empty when PostgreSQL answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        logger.exception("PostgreSQL does not answer")
        return {"database": "PostgreSQL does not answer."}
    return {}


def migration_problems() -> dict[str, str]:
    """Empty when the database is as new as this code. Newer is fine: that is a deployment under way."""
    executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        names = ", ".join(f"{migration.app_label}.{migration.name}" for migration, _ in missing[:5])
        return {"migrations": f"{len(missing)} not applied, as {names}: run manage.py prepare_database."}
    return {}


def redis_problems() -> dict[str, str]:
    """Empty when Redis answers."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=REDIS_TIMEOUT_SECONDS, socket_timeout=REDIS_TIMEOUT_SECONDS)
    try:
        client.ping()
    except redis.RedisError:
        logger.exception("Redis does not answer")
        return {"redis": "Redis does not answer."}
    finally:
        client.close()
    return {}

"""What every request meets: who it came from, over what, and the headers of every answer, refusals and faults included."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from django.urls import path

from wallet_billing import middleware
from wallet_billing.urls import urlpatterns as product_urls


def fail(request: HttpRequest) -> HttpResponse:
    """A bug."""
    raise ValueError("secret detail")


def forbid(request: HttpRequest) -> HttpResponse:
    """A refusal."""
    raise PermissionDenied


def lose_database(request: HttpRequest) -> HttpResponse:
    """What a view meets while PostgreSQL restarts."""
    raise OperationalError("connection refused")


def lose_redis(request: HttpRequest) -> HttpResponse:
    """What a view meets while Redis restarts."""
    raise redis.ConnectionError("connection refused")


urlpatterns = [
    *product_urls,
    path("test/fail", fail),
    path("test/forbid", forbid),
    path("test/lose-database", lose_database),
    path("api/test/lose-redis", lose_redis),
]

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@pytest.fixture
def over_https(settings: Any) -> None:
    """The site as it runs in production."""
    settings.SERVED_OVER_HTTPS = settings.SECURE_SSL_REDIRECT = True
    settings.SECURE_SSL_HOST = "billing.example.com"
    settings.SITE_URL = "https://billing.example.com"
    settings.SECURE_HSTS_SECONDS = 63072000
    settings.SECURE_HSTS_INCLUDE_SUBDOMAINS = settings.SECURE_HSTS_PRELOAD = True


@pytest.fixture
def visitor() -> Client:
    """Somebody who is shown errors as the world is."""
    return Client(raise_request_exception=False)


# ---------------------------------------------------------------- headers


@pytest.mark.django_db
@pytest.mark.urls("tests.test_answers")
@pytest.mark.parametrize(
    ("address", "status"),
    [("/accounts/login/", 200), ("/healthz", 200), ("/no-such-page", 404), ("/test/fail", 500), ("/test/forbid", 403)],
)
def test_it_heads_every_answer_with_security(visitor: Client, address: str, status: int) -> None:
    answer = visitor.get(address)

    assert answer.status_code == status
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "no-store" in answer.headers["Cache-Control"] or "no-cache" in answer.headers["Cache-Control"]
    policy = answer.headers["Content-Security-Policy"]
    for directive in (
        "default-src 'self'",
        "object-src 'none'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'self' https://checkout.stripe.com",
    ):
        assert directive in policy
    assert "unsafe" not in policy
    assert "secret detail" not in answer.content.decode()


@pytest.mark.django_db
def test_it_answers_to_no_name_but_its_own(visitor: Client) -> None:
    answer = visitor.get("/accounts/login/", headers={"Host": "evil.test"})

    assert answer.status_code == 400
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.django_db
@pytest.mark.parametrize(
    "address",
    [
        "/.git/config",
        "/.env",
        "/__debug__/",
        "/static/",
        "/static/css/",
        "/static/../manage.py",
        "/static/%2e%2e/manage.py",
        "/static//etc/passwd",
    ],
)
def test_it_hands_out_nothing_that_lies_beside_it(visitor: Client, address: str) -> None:
    answer = visitor.get(address)

    assert answer.status_code == 404
    assert "There is nothing here" in answer.content.decode()
    assert "Django" not in answer.content.decode()
    assert not {"Server", "X-Powered-By"} & set(answer.headers)


# ---------------------------------------------------------------- HTTPS


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
def test_it_redirects_pages_to_its_own_address(visitor: Client) -> None:
    answer = visitor.get("/accounts/login/?next=/x")

    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://billing.example.com/accounts/login/?next=/x"


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
@pytest.mark.parametrize("address", ["/api/v1/usage", "/webhooks/stripe"])
def test_it_refuses_machines_that_send_keys_in_the_clear(visitor: Client, address: str) -> None:
    answer = visitor.post(address, data="{}", content_type="application/json")

    assert answer.status_code == 403
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "https_required"
    assert "Location" not in answer.headers


@pytest.mark.django_db
@pytest.mark.usefixtures("over_https")
def test_it_promises_https_only_over_https(visitor: Client) -> None:
    promise = visitor.get("/accounts/login/", secure=True).headers["Strict-Transport-Security"]

    assert promise == "max-age=63072000; includeSubDomains; preload"
    assert "Strict-Transport-Security" not in visitor.get("/accounts/login/").headers
    assert visitor.get("/healthz").status_code == 200
    assert visitor.get("/readyz").status_code == 200


# ---------------------------------------------------------------- who asks


@pytest.mark.parametrize(
    ("proxies", "forwarded", "seen"),
    [
        (0, "203.0.113.9", "10.0.0.1"),
        (0, None, "10.0.0.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "198.51.100.1, 203.0.113.9", "203.0.113.9"),
        (2, "198.51.100.1, 203.0.113.9, 10.0.0.7", "203.0.113.9"),
        (2, "203.0.113.9", "10.0.0.1"),
        (1, "nonsense", "10.0.0.1"),
        (1, "198.51.100.1, <script>", "10.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, None, "10.0.0.1"),
    ],
)
def test_it_believes_only_its_own_proxies_about_the_address(settings: Any, proxies: int, forwarded: str | None, seen: str) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    headers = {"X-Forwarded-Host": "evil.test"} | ({"X-Forwarded-For": forwarded} if forwarded else {})
    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR="10.0.0.1")

    middleware.ClientAddress(lambda _: HttpResponse())(request)

    assert request.META["REMOTE_ADDR"] == seen
    assert "HTTP_X_FORWARDED_FOR" not in request.META
    assert "HTTP_X_FORWARDED_HOST" not in request.META


@pytest.mark.parametrize(
    ("proxies", "scheme", "is_secure"),
    [(0, "https", False), (1, "https", True), (1, "http", False), (1, "", False), (1, "https, http", False), (2, "https, http", True)],
)
def test_it_believes_only_its_own_proxies_about_the_scheme(settings: Any, proxies: int, scheme: str, is_secure: bool) -> None:
    settings.TRUSTED_PROXY_COUNT = proxies
    request = RequestFactory().get("/", headers={"X-Forwarded-Proto": scheme})

    middleware.ClientAddress(lambda _: HttpResponse())(request)

    assert request.is_secure() is is_secure


# ---------------------------------------------------------------- what passes by itself


@pytest.mark.django_db
@pytest.mark.urls("tests.test_answers")
def test_it_asks_people_to_come_back_while_the_database_is_away(visitor: Client) -> None:
    answer = visitor.get("/test/lose-database")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert "Nothing was changed" in answer.content.decode()


@pytest.mark.django_db
@pytest.mark.urls("tests.test_answers")
def test_it_asks_machines_to_send_it_again_while_redis_is_away(visitor: Client) -> None:
    answer = visitor.get("/api/test/lose-redis")

    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "5"
    assert answer.json()["code"] == "unavailable"


# ---------------------------------------------------------------- health


@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
@pytest.mark.django_db
def test_it_says_that_it_is_well(client: Client, address: str) -> None:
    answer = client.get(address)

    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/healthz", "/readyz"])
def test_it_answers_a_load_balancer_that_knows_only_its_number(client: Client, address: str) -> None:
    assert client.get(address, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_it_is_up_while_the_database_is_away(client: Client) -> None:
    # No database mark: pytest-django fails any test that touches it here.
    assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_it_is_not_ready_while_redis_is_away(client: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == {"redis": "Redis does not answer."}


@pytest.mark.django_db(transaction=True)
def test_it_is_not_ready_while_the_database_is_away(client: Client, unreachable_database: None) -> None:
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == {"database": "PostgreSQL does not answer."}


@pytest.mark.django_db
def test_it_is_not_ready_before_its_migrations(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from django.db.migrations.recorder import MigrationRecorder

    applied: Callable[[MigrationRecorder], dict[tuple[str, str], Any]] = MigrationRecorder.applied_migrations
    monkeypatch.setattr(
        MigrationRecorder, "applied_migrations", lambda self: {key: row for key, row in applied(self).items() if key[0] != "wallet"}
    )

    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert "run manage.py prepare_database" in answer.json()["problems"]["migrations"]


@pytest.fixture
def unreachable_database() -> Iterator[None]:
    """The default connection pointed at a port where nobody listens."""
    from django.db import connection

    connection.close()
    port = connection.settings_dict["PORT"]
    connection.settings_dict["PORT"] = 9
    yield
    connection.close()
    connection.settings_dict["PORT"] = port

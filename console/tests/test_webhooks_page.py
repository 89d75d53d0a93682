"""Console → Webhook endpoints: the platform's own, for finance alone. What the pages share with owners is billing/tests' as well."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from wallet.models import Delivery, EventType, Wallet, WebhookEndpoint
from wallet.services.webhook_endpoints import reveal_secret, secrets_of
from wallet.tests.hooks import endpoint_of, tell, told, work
from wallet.tests.receiver import Receiver, made_up_names, running_receiver
from wallet.tests.staff import staff_acts
from workspaces.models import AuditEntry, Membership

pytestmark = pytest.mark.django_db

SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")
URL = "https://hooks.example.com/platform"
PAGE, ONE, MESSAGE = "", "{endpoint}/", "{endpoint}/deliveries/{delivery}/"
TO_READ = [PAGE, "new", ONE, "{endpoint}/edit", "{endpoint}/remove", "{endpoint}/secret/new", MESSAGE, f"{MESSAGE}row"]
TO_POST = ["new", "{endpoint}/edit", "{endpoint}/remove", "{endpoint}/secret/new", "{endpoint}/secret"]
TO_POST += ["{endpoint}/switch", "{endpoint}/test", "{endpoint}/resend", f"{MESSAGE}resend"]


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with made_up_names(monkeypatch) as names:
        names.lead_to |= {"hooks.example.com": [["1.1.1.1"]], "inside.example.com": [["10.0.0.1"]]}
        yield


@pytest.fixture
def endpoint(wallet: Wallet) -> WebhookEndpoint:
    """Made once the wallet is filled: it was told nothing yet."""
    return endpoint_of(None, URL, description="Dialler").endpoint


@pytest.fixture
def receiver(settings: Any, endpoint: WebhookEndpoint) -> Iterator[Receiver]:
    """Takes what is sent to the endpoint."""
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True
    with running_receiver() as running:
        WebhookEndpoint.objects.filter(pk=endpoint.pk).update(url=running.url)
        yield running


def page_of(address: str = ONE, *, endpoint: WebhookEndpoint | None = None, delivery: Delivery | None = None) -> str:
    return "/admin/webhooks/" + address.format(endpoint=endpoint and endpoint.pk, delivery=delivery and delivery.pk)


def filled(**changes: Any) -> dict[str, Any]:
    return {"url": URL, "description": "Call server", "event_types": ["wallet.depleted"]} | changes


def text_of(response: Any) -> str:
    return str(response.content.decode())


def recorded() -> list[str]:
    """What the audit log tells of the operator's people and the platform's endpoints, oldest first."""
    acts = staff_acts().filter(workspace=None, actor__email="frances@operator.example", action__startswith="webhook_endpoint.")
    return [act.action.removeprefix("webhook_endpoint.") for act in acts.order_by("pk")]


# ---------------------------------------------------------------- endpoints


def test_it_adds_an_endpoint_and_shows_its_secret_once(frances: Client) -> None:
    assert "No endpoints yet" in text_of(frances.get(page_of(PAGE)))

    made = frances.post(page_of("new"), filled(event_types=["wallet.depleted", "wallet.depleted"]))

    endpoint = WebhookEndpoint.objects.get()
    assert set(SECRET.findall(text_of(made))) == {reveal_secret(endpoint)}
    assert "no-store" in made["Cache-Control"]
    assert (endpoint.workspace, endpoint.url, endpoint.description, endpoint.event_types) == (None, URL, "Call server", ["wallet.depleted"])
    assert endpoint.created_by
    assert endpoint.created_by.email == "frances@operator.example"
    for address in (page_of(PAGE), page_of(endpoint=endpoint)):
        assert URL in text_of(frances.get(address))
        assert not SECRET.search(text_of(frances.get(address)))
    assert recorded() == ["added"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": ""}, "This field is required"),
        ({"url": "hooks.example.com"}, "begins with https://"),
        ({"url": "https://10.0.0.1/"}, "not public"),
        ({"url": "https://inside.example.com/"}, "not public"),
        ({"url": f"https://hooks.example.com/{'a' * 100_000}"}, "at most 500 characters"),
        ({"url": f"{URL}\0"}, "Null characters are not allowed"),
        ({"description": "x" * 101}, "at most 100 characters"),
        ({"event_types": ["everything"]}, "Select a valid choice"),
    ],
)
@pytest.mark.parametrize("address", ["new", "{endpoint}/edit"])
def test_it_says_what_no_endpoint_can_be(
    frances: Client, endpoint: WebhookEndpoint, changes: dict[str, Any], said: str, address: str
) -> None:
    answer = frances.post(page_of(address, endpoint=endpoint), filled(**changes))

    assert (answer.status_code, said in text_of(answer)) == (422, True)
    assert list(WebhookEndpoint.objects.values_list("url", "description")) == [(URL, "Dialler")]


def test_it_takes_a_form_with_nothing_in_it_for_a_form(frances: Client) -> None:
    assert frances.post(page_of("new"), {}).status_code == 422


@pytest.mark.parametrize(("old", "signing"), [("signs", 2), ("ends", 1)])
def test_it_makes_a_new_secret_after_asking(frances: Client, endpoint: WebhookEndpoint, old: str, signing: int) -> None:
    before = reveal_secret(endpoint)
    assert "What about the old one?" in text_of(frances.get(page_of("{endpoint}/secret/new", endpoint=endpoint)))

    shown = frances.post(page_of("{endpoint}/secret/new", endpoint=endpoint), {"old": old})

    endpoint.refresh_from_db()
    assert len(secrets_of(endpoint)) == signing
    assert set(SECRET.findall(text_of(shown))) == {secrets_of(endpoint)[0]} != {before}


def test_it_tells_of_every_act_in_the_audit_log(frances: Client, endpoint: WebhookEndpoint, wallet: Wallet) -> None:
    """And does it: each page that follows says so."""
    delivery = told(wallet)
    Delivery.objects.update(next_attempt_at=None, last_error="It answered 500.")
    acts: list[tuple[str, dict[str, Any], str, str]] = [
        ("{endpoint}/edit", filled(), "The endpoint was changed.", "changed"),
        ("{endpoint}/resend", {}, "1 message will be sent again", "sent_again"),
        (f"{MESSAGE}resend", {}, "on its way again", "sent_again"),
        ("{endpoint}/test", {}, "A test is on its way", "tested"),
        ("{endpoint}/secret", {}, reveal_secret(endpoint), "secret_revealed"),
        ("{endpoint}/secret/new", {"old": "ends"}, "signs nothing any more", "secret_rotated"),
        ("{endpoint}/switch", {"to": "off"}, "What waited to be sent was given up", "switched_off"),
        ("{endpoint}/switch", {"to": "on"}, "The endpoint is switched on", "switched_on"),
        ("{endpoint}/remove", {}, "No endpoints yet", "removed"),
    ]

    for address, form, said, _ in acts:
        answer = frances.post(page_of(address, endpoint=endpoint, delivery=delivery), form, follow=True)
        assert said in text_of(answer), address

    assert recorded() == [act for *_, act in acts]
    assert not any(SECRET.search(f"{entry.before}{entry.after}{entry.target}") for entry in AuditEntry.objects.all())


def test_it_removes_nothing_before_it_has_asked(frances: Client, endpoint: WebhookEndpoint) -> None:
    assert "Remove this endpoint?" in text_of(frances.get(page_of("{endpoint}/remove", endpoint=endpoint)))

    endpoint.refresh_from_db()
    assert endpoint.removed_at is None


# ---------------------------------------------------------------- messages


def test_it_shows_every_message_with_its_attempts_and_whose_it_is(
    frances: Client, endpoint: WebhookEndpoint, receiver: Receiver, wallet: Wallet
) -> None:
    receiver.statuses, receiver.body = [500], b"<script>alert(1)</script>"
    delivery = told(wallet)
    waiting = text_of(frances.get(page_of(endpoint=endpoint)))
    assert f'hx-get="{page_of(f"{MESSAGE}row", endpoint=endpoint, delivery=delivery)}" hx-trigger="every 2s"' in waiting
    assert "#dialog" not in waiting, "the console has no dialog to put anything into"
    work()

    row = text_of(frances.get(page_of(f"{MESSAGE}row", endpoint=endpoint, delivery=delivery), headers={"HX-Request": "true"}))
    shown = text_of(frances.get(page_of(MESSAGE, endpoint=endpoint, delivery=delivery)))

    assert ("Next try" in row, "<html" in row) == (True, False)
    for words in ("It answered 500.", "&lt;script&gt;alert(1)", delivery.event_id, " UTC</time>"):
        assert words in shown
    for text in (row, shown):
        assert f'href="{reverse("admin:console_wallet", args=[wallet.pk])}">Alice&#x27;s Bakery</a>' in text


def test_it_sends_a_test_and_whatever_has_failed_again(
    frances: Client, endpoint: WebhookEndpoint, receiver: Receiver, wallet: Wallet
) -> None:
    frances.post(page_of("{endpoint}/test", endpoint=endpoint))
    failed = told(wallet)
    Delivery.objects.filter(pk=failed.pk).update(next_attempt_at=None, last_error="It answered 500.", attempts=11)
    assert work() == 1
    page = page_of(endpoint=endpoint)
    assert "Send all failed again" not in text_of(frances.get(page))
    assert "Send all failed again" in text_of(frances.get(page, {"state": "failed"}))

    frances.post(page_of("{endpoint}/resend", endpoint=endpoint))
    work()

    assert [received.verified(reveal_secret(endpoint))["type"] for received in receiver.received] == ["test.ping", "wallet.low_balance"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [("", ["paused", "low_balance"]), ("state=delivered", ["low_balance"]), ("state=failed", ["paused"]), ("state=waiting", [])],
)
def test_it_filters_the_log(frances: Client, endpoint: WebhookEndpoint, wallet: Wallet, query: str, shown: list[str]) -> None:
    told(wallet)
    Delivery.objects.update(next_attempt_at=None, delivered_at=timezone.now(), last_status=204)
    tell(wallet, event=EventType.PAUSED)
    Delivery.objects.filter(event__type=EventType.PAUSED).update(next_attempt_at=None, last_error="It answered 500.")

    body = text_of(frances.get(f"{page_of(endpoint=endpoint)}?{query}"))

    assert re.findall(r"<small><code>wallet\.(\w+)</code></small>", body) == shown


# ---------------------------------------------------------------- who may, and what


@pytest.mark.parametrize("who", ["sam", "petra"])
def test_it_is_for_finance_alone(
    request: pytest.FixtureRequest, frances: Client, endpoint: WebhookEndpoint, wallet: Wallet, who: str
) -> None:
    browser, delivery = request.getfixturevalue(who), told(wallet)
    before = WebhookEndpoint.objects.values().get()

    for method, addresses in (("get", TO_READ), ("post", TO_POST)):
        for address in addresses:
            path = page_of(address, endpoint=endpoint, delivery=delivery)
            assert getattr(browser, method)(path, filled()).status_code == 403, f"{method} {path}"

    assert (WebhookEndpoint.objects.values().get(), Delivery.objects.count(), staff_acts().count()) == (before, 1, 0)
    link = f'href="{page_of(PAGE)}"'
    assert (link in text_of(browser.get("/admin/")), link in text_of(frances.get("/admin/"))) == (False, True)


@pytest.mark.parametrize(("who", "seen"), [("frances", {"platform", "theirs"}), ("sam", {"theirs"}), ("petra", {"theirs"})])
def test_it_lists_what_the_platform_was_told_for_finance_alone(
    request: pytest.FixtureRequest, endpoint: WebhookEndpoint, wallet: Wallet, who: str, seen: set[str]
) -> None:
    endpoint_of(wallet.workspace, "https://hooks.example.com/theirs")
    tell(wallet)
    browser = request.getfixturevalue(who)

    listed = text_of(browser.get(reverse("admin:wallet_delivery_changelist")))

    assert set(re.findall(r"hooks\.example\.com/(\w+)", listed)) == seen
    for delivery in Delivery.objects.select_related("endpoint"):
        row = text_of(browser.get(reverse("admin:wallet_delivery_change", args=[delivery.pk]), follow=True))
        assert (delivery.endpoint.url in row) == (delivery.endpoint.url.rpartition("/")[2] in seen)


def test_it_reaches_no_endpoint_and_no_message_of_a_workspace(frances: Client, endpoint: WebhookEndpoint, wallet: Wallet) -> None:
    """By their ids, or by the platform's endpoint and a message to theirs; and nobody reaches the platform's by a workspace's address."""
    theirs = endpoint_of(wallet.workspace, "https://hooks.example.com/theirs").endpoint
    tell(wallet)
    of_theirs, own = (Delivery.objects.get(endpoint=one) for one in (theirs, endpoint))
    before = [list(model.objects.order_by("pk").values()) for model in (WebhookEndpoint, Delivery)]
    alice = Client()
    alice.force_login(Membership.objects.get().user)

    for method, addresses in (("get", TO_READ), ("post", TO_POST)):
        for address in [address for address in addresses if "{" in address]:
            path = page_of(address, endpoint=theirs, delivery=of_theirs)
            assert getattr(frances, method)(path, filled()).status_code == 404, f"{method} {path}"
            if "{delivery}" in address:
                assert getattr(frances, method)(page_of(address, endpoint=endpoint, delivery=of_theirs)).status_code == 404
                assert getattr(frances, method)(page_of(address, endpoint=theirs, delivery=own)).status_code == 404
            of_workspace = path.replace("/admin/", f"/w/{wallet.workspace.public_id}/settings/").rstrip("/")
            platforms = of_workspace.replace(f"/{theirs.pk}", f"/{endpoint.pk}").replace(f"/{of_theirs.pk}", f"/{own.pk}")
            assert getattr(alice, method)(platforms, filled()).status_code == 404, f"{method} {platforms}"

    assert [list(model.objects.order_by("pk").values()) for model in (WebhookEndpoint, Delivery)] == before
    assert "theirs" not in text_of(frances.get(page_of(PAGE)))
    assert frances.get(f"/admin/webhooks/{10**30}/").status_code == 404


def test_it_tells_finance_of_an_endpoint_that_was_given_up(frances: Client, sam: Client, endpoint: WebhookEndpoint) -> None:
    words = "1 of the platform’s webhook endpoints was switched off"
    WebhookEndpoint.objects.update(disabled_at=timezone.now(), disabled_reason="switched_off")
    assert words not in text_of(frances.get("/admin/"))

    WebhookEndpoint.objects.update(disabled_reason="failing")

    assert (words in text_of(frances.get("/admin/")), words in text_of(sam.get("/admin/"))) == (True, False)

"""Settings → Webhooks: who sees it, endpoints and their secrets, the log, sending a test and sending again."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from billing.tests.conftest import SignedIn
from wallet.models import Delivery, EventType, Wallet, WebhookEndpoint
from wallet.outgoing_queries import ROWS_ON_A_PAGE
from wallet.services import webhook_endpoints
from wallet.services.webhook_endpoints import reveal_secret, secrets_of
from wallet.tests.hooks import endpoint_of, tell, told, work
from wallet.tests.receiver import Receiver, made_up_names, running_receiver
from workspaces.models import User, Workspace

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")
URL = "https://hooks.example.com/northside"


@pytest.fixture(autouse=True)
def _names(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with made_up_names(monkeypatch) as names:
        names.lead_to |= {"hooks.example.com": [["1.1.1.1"]], "inside.example.com": [["10.0.0.1"]]}
        yield


@dataclass(frozen=True)
class Place:
    """Addresses of Northside's pages about one endpoint."""

    list: str
    endpoint: WebhookEndpoint

    @property
    def page(self) -> str:
        return f"{self.list}/{self.endpoint.pk}"

    def delivery(self, delivery: Delivery) -> str:
        return f"{self.page}/deliveries/{delivery.pk}"


@pytest.fixture
def place(workspace: Workspace, wallet: Wallet) -> Place:
    return Place(f"/w/{workspace.public_id}/settings/webhooks", endpoint_of(workspace, URL, description="Dialler").endpoint)


@pytest.fixture
def receiver(settings: Any, place: Place) -> Iterator[Receiver]:
    """Takes what is sent to the endpoint."""
    settings.WEBHOOKS_ALLOW_PRIVATE_TARGETS = True
    with running_receiver() as running:
        WebhookEndpoint.objects.filter(pk=place.endpoint.pk).update(url=running.url)
        yield running


def filled(**changes: Any) -> dict[str, Any]:
    return {"url": URL, "description": "Call server", "event_types": ["wallet.depleted"]} | changes


def text_of(response: Any) -> str:
    return str(response.content.decode())


def fresh(place: Place) -> WebhookEndpoint:
    return WebhookEndpoint.objects.get(pk=place.endpoint.pk)


# ---------------------------------------------------------------- endpoints


def test_it_adds_an_endpoint_and_shows_its_secret(alices: Client, alice: User, place: Place, workspace: Workspace) -> None:
    made = alices.post(f"{place.list}/new", filled())

    endpoint = WebhookEndpoint.objects.latest("pk")
    assert set(SECRET.findall(text_of(made))) == {reveal_secret(endpoint)}
    assert made["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    assert (endpoint.workspace, endpoint.url, endpoint.description, endpoint.created_by) == (workspace, URL, "Call server", alice)
    assert endpoint.event_types == ["wallet.depleted"]
    for page in (place.list, f"{place.list}/{endpoint.pk}"):
        assert reveal_secret(endpoint) not in text_of(alices.get(page))


def test_it_adds_the_endpoint_to_the_list_behind_the_dialog(alices: Client, place: Place) -> None:
    made = text_of(alices.post(f"{place.list}/new", filled(), headers=HTMX))

    assert 'id="webhook-endpoints" aria-labelledby="webhook-endpoints-heading" hx-swap-oob="true"' in made


@pytest.mark.parametrize(
    "changes",
    [
        {"url": ""},
        {"url": "hooks.example.com"},
        {"url": "http://hooks.example.com/"},
        {"url": "https://127.0.0.1/"},
        {"url": "https://inside.example.com/"},
        {"url": "https://user:password@hooks.example.com/"},
        {"url": "https://hooks.example.com:8443/"},
        {"url": f"https://hooks.example.com/{'a' * 500}"},
        {"description": "x" * 101},
        {"event_types": ["test.ping"]},
        {"event_types": ["everything"]},
    ],
)
@pytest.mark.parametrize("address", ["/new", "/{}/edit"])
def test_it_refuses_what_no_endpoint_can_be(alices: Client, place: Place, changes: dict[str, Any], address: str) -> None:
    response = alices.post(place.list + address.format(place.endpoint.pk), filled(**changes))

    assert response.status_code == 422
    assert WebhookEndpoint.objects.count() == 1
    assert (fresh(place).url, fresh(place).description) == (URL, "Dialler")


def test_it_says_when_there_are_too_many(alices: Client, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_endpoints, "ENDPOINTS_MAX", 1)

    response = alices.post(f"{place.list}/new", filled())

    assert response.status_code == 422
    assert "Remove one first" in text_of(response)


def test_it_changes_an_endpoint(alices: Client, place: Place) -> None:
    assert "Dialler" in text_of(alices.get(f"{place.page}/edit"))

    alices.post(f"{place.page}/edit", filled(url="https://hooks.example.com/new", event_types=[]))

    assert (fresh(place).url, fresh(place).event_types) == ("https://hooks.example.com/new", [])


def test_it_switches_off_and_on(alices: Client, place: Place) -> None:
    off = alices.post(f"{place.page}/switch", {"to": "off"}, follow=True)
    assert (fresh(place).is_active, "Switch on" in text_of(off), "Send a test" in text_of(off)) == (False, True, False)
    assert "Switched off" in text_of(alices.get(place.list))

    alices.post(f"{place.page}/switch", {"to": "on"})

    assert fresh(place).is_active


@pytest.mark.parametrize(("reason", "said"), [("gone", "it is gone (410)"), ("failing", "no message was taken for days")])
def test_it_says_why_an_endpoint_was_switched_off(alices: Client, place: Place, reason: str, said: str) -> None:
    WebhookEndpoint.objects.update(disabled_at=timezone.now(), disabled_reason=reason)

    assert said in text_of(alices.get(place.page))


def test_it_warns_of_an_endpoint_that_takes_nothing(alices: Client, place: Place) -> None:
    WebhookEndpoint.objects.update(failing_since=timezone.now() - timedelta(hours=5), failures=4)

    assert "No message has been taken" in text_of(alices.get(place.page))
    assert "Failing" in text_of(alices.get(place.list))


def test_it_removes_an_endpoint_after_asking(alices: Client, place: Place) -> None:
    assert "Remove this endpoint?" in text_of(alices.get(f"{place.page}/remove"))
    assert fresh(place).removed_at is None

    done = alices.post(f"{place.page}/remove", follow=True)

    assert fresh(place).removed_at
    assert "No endpoints yet" in text_of(done)
    assert alices.get(place.page).status_code == 404


def test_it_shows_the_secret_when_asked_by_post_alone(alices: Client, place: Place) -> None:
    assert alices.get(f"{place.page}/secret").status_code == 405

    shown = alices.post(f"{place.page}/secret")

    assert reveal_secret(fresh(place)) in text_of(shown)
    assert "no-store" in shown["Cache-Control"]


@pytest.mark.parametrize(("old", "signing"), [("signs", 2), ("ends", 1)])
def test_it_makes_a_new_secret_after_asking(alices: Client, place: Place, old: str, signing: int) -> None:
    before = reveal_secret(place.endpoint)
    alices.get(f"{place.page}/secret/new")
    assert reveal_secret(fresh(place)) == before

    shown = alices.post(f"{place.page}/secret/new", {"old": old})

    assert len(secrets_of(fresh(place))) == signing
    assert set(SECRET.findall(text_of(shown))) == {reveal_secret(fresh(place))} != {before}


def test_it_says_when_a_secret_cannot_be_opened(alices: Client, place: Place) -> None:
    WebhookEndpoint.objects.update(secret_sealed="sealed under a key that is gone")

    assert "Make a new secret" in text_of(alices.post(f"{place.page}/secret", follow=True))


# ---------------------------------------------------------------- messages


def test_it_sends_a_test_and_shows_what_became_of_it(alices: Client, place: Place, receiver: Receiver) -> None:
    sent = text_of(alices.post(f"{place.page}/test", follow=True))
    assert "A test is on its way" in sent
    assert "On its way" in sent
    delivery = Delivery.objects.get()
    assert f'hx-get="{place.delivery(delivery)}/row"' in sent, "the row waits for news by itself"
    work()

    row = text_of(alices.get(f"{place.delivery(delivery)}/row", headers=HTMX))

    assert "Delivered" in row
    assert "hx-trigger" not in row, "nothing new is to be expected"
    assert receiver.received[0].verified(reveal_secret(place.endpoint))["type"] == "test.ping"


def test_it_shows_a_message_with_every_attempt(alices: Client, place: Place, receiver: Receiver, wallet: Wallet) -> None:
    receiver.status, receiver.body = 500, b"<script>alert(1)</script>"
    delivery = told(wallet, agent="<b>")
    work()

    shown = text_of(alices.get(place.delivery(delivery)))

    for words in (
        "It answered 500.",
        "&lt;script&gt;alert(1)",
        "Next try",
        delivery.event_id,
        "&quot;agent&quot;:&quot;&lt;b&gt;&quot;",
    ):
        assert words in shown
    assert "<script>alert" not in shown


def test_it_sends_a_message_again(alices: Client, place: Place, receiver: Receiver, wallet: Wallet) -> None:
    delivery = told(wallet)
    work()

    answer = alices.post(f"{place.delivery(delivery)}/resend", follow=True)
    work()

    assert "on its way again" in text_of(answer)
    assert [received.headers["webhook-id"] for received in receiver.received] == [delivery.event_id] * 2


@pytest.mark.parametrize("what", ["test", "resend"])
def test_it_sends_nothing_to_what_is_switched_off(alices: Client, place: Place, wallet: Wallet, what: str) -> None:
    delivery = told(wallet)
    alices.post(f"{place.page}/switch", {"to": "off"})

    done = alices.post(f"{place.page}/test" if what == "test" else f"{place.delivery(delivery)}/resend", follow=True)

    assert "Switch it on first" in text_of(done)
    assert not Delivery.objects.filter(next_attempt_at__isnull=False).exists()


@pytest.mark.parametrize(("limit", "address"), [("WEBHOOK_SENDS_PER_WORKSPACE", "/{}/test"), ("WEBHOOK_CHANGES_PER_WORKSPACE", "/new")])
def test_it_does_so_only_so_often(alices: Client, place: Place, two_a_minute: Callable[[str], None], limit: str, address: str) -> None:
    two_a_minute(limit)

    answers = [text_of(alices.post(place.list + address.format(place.endpoint.pk), filled(), follow=True)) for _ in range(3)]

    assert ["That is enough for now" in answer for answer in answers] == [False, False, True]
    assert Delivery.objects.count() + WebhookEndpoint.objects.count() == 3


@pytest.mark.usefixtures("no_redis")
def test_it_sends_nothing_while_nobody_can_count(alices: Client, place: Place) -> None:
    alices.post(f"{place.page}/test")

    assert not Delivery.objects.exists()


def one_of_each(place: Place, wallet: Wallet) -> None:
    """A message that was delivered, one that waits and one that was given up, each of its own type."""
    rows: dict[EventType, dict[str, Any]] = {
        EventType.LOW_BALANCE: {"next_attempt_at": None, "delivered_at": timezone.now(), "last_status": 204},
        EventType.DEPLETED: {"last_error": "It answered 500.", "last_status": 500, "next_attempt_at": timezone.now() + timedelta(hours=2)},
        EventType.PAUSED: {"next_attempt_at": None, "last_error": "The connection was refused."},
    }
    for event, changes in rows.items():
        tell(wallet, event=event)
        Delivery.objects.filter(event__type=event).update(**changes)


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"low_balance", "depleted", "paused"}),
        ("state=delivered", {"low_balance"}),
        ("state=waiting", {"depleted"}),
        ("state=failed", {"paused"}),
        ("event=wallet.depleted", {"depleted"}),
        ("state=failed&event=wallet.depleted", set()),
        ("state=lost&event=x&before=y", {"low_balance", "depleted", "paused"}),
        ("before=99999999999999999999", {"low_balance", "depleted", "paused"}),
        ("before=1", set()),
    ],
)
def test_it_filters_the_log(alices: Client, place: Place, wallet: Wallet, query: str, shown: set[str]) -> None:
    one_of_each(place, wallet)

    body = text_of(alices.get(f"{place.page}?{query}"))

    assert set(re.findall(r"<small><code>wallet\.(\w+)</code></small>", body)) == shown
    assert ("No such message" in body) == (not shown and "before" not in query)


def test_it_shows_the_log_page_by_page(alices: Client, place: Place, wallet: Wallet) -> None:
    for _ in range(ROWS_ON_A_PAGE + 3):
        tell(wallet)
    seen: list[str] = []
    address = place.page
    for _ in range(2):
        body = text_of(alices.get(address, headers=HTMX))
        seen += re.findall(r'class="link" href="[^"]+/deliveries/(\d+)"', body)
        following = re.search(r'id="log-more".*?href="([^"#]+)', body)
        address = following[1].replace("&amp;", "&") if following else ""

    assert address == ""
    assert seen == [str(pk) for pk in Delivery.objects.order_by("-pk").values_list("pk", flat=True)]


def test_it_asks_the_database_as_often_for_many_messages(
    alices: Client, place: Place, wallet: Wallet, django_assert_max_num_queries: Any
) -> None:
    for _ in range(ROWS_ON_A_PAGE):
        tell(wallet)
    with django_assert_max_num_queries(25):
        alices.get(place.page)


# ---------------------------------------------------------------- who may

EVERY_ADDRESS = ["", "/new", "/{endpoint}", "/{endpoint}/edit", "/{endpoint}/remove", "/{endpoint}/secret/new"]
EVERY_ADDRESS += ["/{endpoint}/deliveries/{delivery}", "/{endpoint}/deliveries/{delivery}/row"]
EVERY_FORM = [
    "/{endpoint}/switch",
    "/{endpoint}/test",
    "/{endpoint}/resend",
    "/{endpoint}/secret",
    "/{endpoint}/deliveries/{delivery}/resend",
]
EVERY_FORM += ["/new", "/{endpoint}/edit", "/{endpoint}/remove", "/{endpoint}/secret/new"]


@pytest.mark.parametrize(("who", "status"), [("bob", 403), ("charlie", 404)])
def test_it_is_for_owners_and_admins(
    request: pytest.FixtureRequest, signed_in: SignedIn, place: Place, wallet: Wallet, who: str, status: int
) -> None:
    browser, delivery = signed_in(request.getfixturevalue(who)), told(wallet)
    before = WebhookEndpoint.objects.values().get()

    for method, addresses in (("get", EVERY_ADDRESS), ("post", EVERY_FORM)):
        for address in addresses:
            path = place.list + address.format(endpoint=place.endpoint.pk, delivery=delivery.pk)
            assert getattr(browser, method)(path, filled()).status_code == status, f"{method} {path}"

    assert WebhookEndpoint.objects.values().get() == before
    assert Delivery.objects.count() == 1


def test_it_reaches_no_endpoint_and_no_message_of_others(alices: Client, place: Place, wallet: Wallet, elsewhere: Wallet) -> None:
    """By Northside's address and their ids, or by Northside's endpoint and a message to another."""
    own = told(wallet)
    others = [endpoint_of(elsewhere.workspace, URL).endpoint, endpoint_of(None, URL).endpoint]
    tell(elsewhere, key="theirs")
    tell(wallet, key="ours")
    before = list(WebhookEndpoint.objects.order_by("pk").values())
    deliveries = list(Delivery.objects.order_by("pk").values())

    for other in others:
        theirs = Delivery.objects.filter(endpoint=other).latest("pk")
        for endpoint, delivery in ((other.pk, theirs.pk), (other.pk, own.pk), (place.endpoint.pk, theirs.pk)):
            for method, addresses in (("get", EVERY_ADDRESS), ("post", EVERY_FORM)):
                for address in addresses:
                    if "{endpoint}" not in address or (endpoint == place.endpoint.pk and "{delivery}" not in address):
                        continue
                    path = place.list + address.format(endpoint=endpoint, delivery=delivery)
                    assert getattr(alices, method)(path, filled()).status_code == 404, f"{method} {path}"

    assert list(WebhookEndpoint.objects.order_by("pk").values()) == before
    assert list(Delivery.objects.order_by("pk").values()) == deliveries
    listed = text_of(alices.get(place.list))
    assert listed.count("/settings/webhooks/") - listed.count("/settings/webhooks/new") == 1


def test_it_stands_among_the_tabs_of_those_who_may_open_it(alices: Client, bob: User, signed_in: SignedIn, place: Place) -> None:
    members = place.list.replace("webhooks", "members")

    assert f'href="{place.list}"' in text_of(alices.get(members))
    assert f'href="{place.list}"' not in text_of(signed_in(bob).get(members))

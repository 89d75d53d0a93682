"""The panel of Automatic Payments: what it proposes, what it says before it saves, what it refuses, and who may use it."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from billing import limits
from billing.tests.automatic_panel import Panel, hidden_of, text_of, value_of
from billing.tests.automatic_states import Stage
from billing.tests.conftest import SignedIn, a_card, a_link
from usage.models import Meter, UsageDay
from wallet.models import AutomaticPayments, TopUp, Wallet
from wallet.services.automatic_payments import switch_off
from wallet.services.cards import remove_card
from wallet.services.charging_switch import pause_charging
from wallet.tests.builders import DOLLAR
from workspaces.models import User

pytestmark = pytest.mark.django_db

HTMX = {"HX-Request": "true"}


@pytest.fixture
def panel(wallet: Wallet, alice: User) -> Panel:
    """30 dollars and a card."""
    at = Panel(wallet, alice, a_card(wallet))
    at.give(30)
    return at


# ---------------------------------------------------------------- what is proposed
def test_it_proposes_by_the_currency_while_nothing_is_known(panel: Panel) -> None:
    body = panel.look().content.decode()

    proposed = {name: value_of(body, name) for name in ("threshold", "amount", "target", "monthly_cap")}
    assert proposed == {"threshold": "10", "amount": "25", "target": "35", "monthly_cap": "100"}
    assert "Proposed from your recent use" not in body


def test_it_proposes_from_the_recent_use(panel: Panel) -> None:
    wallet = panel.wallet
    meter = Meter.objects.create(key="call_out", name="Outbound calls", unit="second", kind="call_out")
    for days_ago in range(1, 8):
        day = timezone.now().date() - timedelta(days=days_ago)
        UsageDay.objects.create(wallet=wallet, day=day, meter=meter, events=1, quantity=1, billed_quantity=1, amount_micros=8 * DOLLAR)

    body = panel.look().content.decode()

    assert [value_of(body, name) for name in ("threshold", "amount", "monthly_cap")] == ["8", "60", "400"]
    assert "Proposed from your recent use" in body
    assert "Each charge lasts about 7 days at the recent pace." in body


def test_it_shows_the_rule_as_it_stands(panel: Panel) -> None:
    panel.save(threshold="12.50", how="target", target="60", monthly_cap="500", daily_charges="2")

    body = panel.look().content.decode()

    assert [value_of(body, name) for name in ("threshold", "target", "monthly_cap")] == ["12.50", "60", "500"]
    assert re.search(r'id="how-target" value="target" checked', body)
    assert re.search(r'<option value="2" selected>', body)


# ---------------------------------------------------------------- what is agreed to
def test_it_keeps_the_very_sentence_that_was_shown(panel: Panel) -> None:
    form = panel.shown()
    page = text_of(panel.send(panel.filled_in()))

    panel.send(form)

    rule = panel.rule
    assert (rule.is_active, rule.consented_by) == (True, panel.owner)
    assert rule.consent_text == form["consent"]
    assert rule.consent_text in page
    assert rule.consent_text.startswith("By saving I allow Wallet Billing to charge Visa •••• 4242 with $25.00, or as many times $25.00")
    assert "whenever less than $10.00 is available" in rule.consent_text
    assert "at most $100.00 in a calendar month and 3 times a day" in rule.consent_text


def test_it_says_what_a_target_means(panel: Panel) -> None:
    panel.save(how="target", target="50", daily_charges="1")

    rule = panel.rule
    assert (rule.amount_micros, rule.target_micros) == (None, 50 * DOLLAR)
    assert "with what is missing to $50.00 whenever less than $10.00 is available" in rule.consent_text
    assert "once a day" in rule.consent_text


def test_it_saves_no_sentence_that_was_not_shown(panel: Panel) -> None:
    """Without JavaScript the sentence beside the button is that of the numbers before."""
    form = panel.shown()

    response = panel.send(form | {"amount": "30"})

    assert response.status_code == 422
    assert "This is what these numbers mean. Press Save once more to agree." in text_of(response)
    assert not AutomaticPayments.objects.exists()
    assert panel.send(form | {"amount": "30"} | hidden_of(response)).status_code == 302
    assert panel.rule.amount_micros == 30 * DOLLAR


def test_it_takes_nobodys_word_for_the_sentence(panel: Panel) -> None:
    form = panel.shown() | {"consent": "I agree to nothing."}

    assert panel.send(form).status_code == 422
    assert not AutomaticPayments.objects.exists()


def test_it_writes_it_anew_while_the_numbers_are_typed(panel: Panel) -> None:
    response = panel.client.get(f"{panel.address}/agreement", panel.filled_in(threshold="40"), headers=HTMX)

    body = response.content.decode()
    assert "<html" not in body
    assert "whenever less than $40.00 is available" in body
    assert "Saving charges $25.00 to Visa •••• 4242 right now, because only $30.00 is available." in text_of(response)
    assert not AutomaticPayments.objects.exists()


def test_it_says_what_is_wrong_while_the_numbers_are_typed(panel: Panel) -> None:
    response = panel.client.get(f"{panel.address}/agreement", panel.filled_in(threshold="1"), headers=HTMX)

    assert "Choose an amount from $5.00 to $2,000.00." in text_of(response)
    assert 'name="consent"' not in response.content.decode()


def test_it_says_why_nothing_can_be_charged_now(panel: Panel) -> None:
    panel.take(25)
    pause_charging(reason="Looking into something.")

    page = text_of(panel.look())

    assert "Nothing is charged right now. Automatic payments are on hold." in page
    assert "Looking into something." not in page


# ---------------------------------------------------------------- what is refused
@pytest.mark.parametrize(
    ("changes", "field_name", "words"),
    [
        ({"threshold": "1"}, "threshold", "Choose an amount from $5.00 to $2,000.00."),
        ({"threshold": "ten"}, "threshold", "Enter an amount such as 20 or 20.50."),
        ({"threshold": ""}, "threshold", "This field is required."),
        ({"amount": "10.005"}, "amount", "Use at most 2 decimals for USD."),
        ({"amount": ""}, "amount", "Enter an amount such as 20 or 20.50."),
        ({"how": "target", "target": "12"}, "target", "Choose an amount from $15.00 to $2,010.00."),
        ({"monthly_cap": "20"}, "monthly_cap", "Choose an amount from $25.00 to $100,000.00."),
        ({"daily_charges": "11"}, "daily_charges", "less than or equal to 10"),
        ({"daily_charges": "0"}, "daily_charges", "greater than or equal to 1"),
    ],
)
def test_it_names_the_field_that_does_not_fit(panel: Panel, changes: dict[str, str], field_name: str, words: str) -> None:
    response = panel.send(panel.filled_in(**changes))

    assert response.status_code == 422
    assert re.search(rf'id="{field_name}-errors"><li>[^<]*{re.escape(words)}', response.content.decode())
    assert not AutomaticPayments.objects.exists()


@pytest.mark.parametrize("whose", ["another workspace's", "removed", "nobody's", "no number"])
def test_it_charges_no_card_but_the_wallets_own(panel: Panel, elsewhere: Wallet, whose: str) -> None:
    foreign, removed = a_card(elsewhere), a_card(panel.wallet)
    remove_card(removed)
    sent = {"another workspace's": foreign.pk, "removed": removed.pk, "nobody's": 999_999_999, "no number": "x' OR 1=1"}[whose]

    response = panel.send(panel.shown() | {"card": str(sent)})

    assert response.status_code == 422
    assert "That card is not here any more." in text_of(response)
    assert not AutomaticPayments.objects.exists()
    foreign.refresh_from_db()
    assert foreign.is_default


def test_it_is_alices_alone(panel: Panel, bob: User, charlie: User, signed_in: SignedIn) -> None:
    form = panel.shown()

    def ask(user: User) -> set[int]:
        client = signed_in(user)
        asked = [client.get(panel.address), client.get(f"{panel.address}/agreement", form), client.post(panel.address, form)]
        asked += [client.post(f"{panel.address}/{act}", form) for act in ("try-again", "off")]
        return {response.status_code for response in asked}

    assert (ask(bob), ask(charlie)) == ({403}, {404})
    assert not AutomaticPayments.objects.exists()


def test_it_changes_nothing_by_being_looked_at(panel: Panel) -> None:
    panel.save()

    assert [panel.client.get(f"{panel.address}/{act}").status_code for act in ("try-again", "off")] == [405, 405]
    assert panel.rule.is_active


def test_it_saves_only_so_often(panel: Panel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.AUTOMATIC_SAVES_PER_WALLET.item, "amount", 2)

    statuses = [panel.send(panel.shown(amount=str(amount))).status_code for amount in (20, 30, 40)]

    assert statuses == [302, 302, 429]
    assert panel.rule.amount_micros == 30 * DOLLAR


def test_it_saves_nothing_without_redis_and_still_switches_off(panel: Panel, no_redis: None) -> None:
    Stage(panel.wallet, panel.owner, panel.card).put_into("active")

    assert panel.send(panel.shown(amount="40")).status_code == 503
    assert panel.rule.amount_micros == 25 * DOLLAR
    assert panel.client.post(f"{panel.address}/off").status_code == 302
    assert not panel.rule.is_active


def test_it_leads_out_of_the_dialog(panel: Panel) -> None:
    response = panel.client.post(panel.address, panel.shown(), headers=HTMX)

    assert response["HX-Redirect"] == panel.page


def test_it_goes_nowhere_else_by_then(panel: Panel) -> None:
    link = a_link(panel.wallet, by=panel.owner, dollars=None)

    response = panel.client.post(f"{panel.page}/connect-card", {"then": "https://evil.test"})

    assert response["Location"] == f"{panel.page}/links/{link.pk}"


def test_it_keeps_the_card_that_it_charges(panel: Panel) -> None:
    panel.save()

    response = panel.client.post(f"{panel.page}/cards/{panel.card.pk}/remove")

    assert response.status_code == 422
    assert "Connect another card first, or switch automatic payments off." in text_of(response)
    assert f'href="{panel.address}"' in response.content.decode()
    assert "Connect another card</button>" in response.content.decode()
    switch_off(panel.wallet)
    assert panel.client.post(f"{panel.page}/cards/{panel.card.pk}/remove").status_code == 302


def test_it_asks_again_where_a_charge_was_not_announced(panel: Panel) -> None:
    form = panel.shown()
    panel.take(25)

    response = panel.send(form)

    assert response.status_code == 422
    assert "Saving charges $25.00" in text_of(response)
    assert not AutomaticPayments.objects.exists()
    panel.send(form | hidden_of(response))
    assert [top_up.amount_micros for top_up in TopUp.objects.all()] == [25 * DOLLAR]


def test_it_charges_less_than_announced_without_asking(panel: Panel) -> None:
    panel.take(25)
    form = panel.shown()
    panel.give(20)

    assert panel.send(form).status_code == 302
    assert not TopUp.objects.exists()


def test_it_charges_what_is_missing_to_a_target_by_then(panel: Panel) -> None:
    panel.take(25)
    form = panel.shown(how="target")
    assert form["announced"] == str(45 * DOLLAR)
    panel.take(2)

    assert panel.send(form).status_code == 302
    assert [top_up.amount_micros for top_up in TopUp.objects.all()] == [47 * DOLLAR]


def test_it_says_that_nothing_is_charged_now(panel: Panel) -> None:
    page = panel.save()

    assert "Automatic payments are active." in page
    assert "is being charged" not in page
    assert not TopUp.objects.exists()

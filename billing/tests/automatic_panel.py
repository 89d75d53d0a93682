"""An owner at the panel of Automatic Payments: reads what it says, and saves."""

import re
from dataclasses import dataclass, field
from typing import Any

from django.test import Client

from wallet.ledger import post
from wallet.models import Account, AutomaticPayments, Card, Wallet
from wallet.tests.builders import DOLLAR, adjustment, entry
from workspaces.models import User

HIDDEN = ("consent", "announced", "standing")
WHOLE = {"threshold": "10", "how": "amount", "amount": "25", "target": "50", "monthly_cap": "100", "daily_charges": "3"}


@dataclass
class Panel:
    """The panel of one wallet, as its owner sees it."""

    wallet: Wallet
    owner: User
    card: Card
    client: Client = field(default_factory=Client)

    def __post_init__(self) -> None:
        self.client.force_login(self.owner)

    @property
    def page(self) -> str:
        """The address of Settings → Billing."""
        return f"/w/{self.wallet.workspace.public_id}/settings/billing"

    @property
    def address(self) -> str:
        return f"{self.page}/automatic-payments"

    @property
    def rule(self) -> AutomaticPayments:
        """As it stands."""
        return AutomaticPayments.objects.get(wallet=self.wallet)

    # ---------------------------------------------------------------- what the owner does
    def look(self, **asked: str | int) -> Any:
        return self.client.get(self.address, asked)

    def filled_in(self, **changes: object) -> dict[str, str]:
        """Below 10 dollars charge 25, at most 100 a month, unless something else is typed."""
        return {**WHOLE, "card": str(self.card.pk)} | {name: str(value) for name, value in changes.items()}

    def send(self, form: dict[str, str], **options: Any) -> Any:
        return self.client.post(self.address, form, **options)

    def shown(self, **changes: object) -> dict[str, str]:
        """The form as it stands on the page once its numbers were read: with the sentence, and the charge that it announces."""
        form = self.filled_in(**changes)
        return form | hidden_of(self.send(form))

    def save(self, **changes: object) -> str:
        """Reads, and saves; what stands on the page that it leads to."""
        return text_of(self.send(self.shown(**changes), follow=True))

    def standing(self) -> str:
        """What the button Try again carries."""
        return value_of(self.client.get(self.page).content.decode(), "standing")

    def try_again(self, standing: str = "") -> Any:
        return self.client.post(f"{self.address}/try-again", {"standing": standing or self.standing()}, follow=True)

    # ---------------------------------------------------------------- what the operator does
    def give(self, dollars: int) -> None:
        post(self.wallet.pk, [adjustment(dollars * DOLLAR)])

    def take(self, dollars: int) -> None:
        post(self.wallet.pk, [entry(dollars * DOLLAR, kind="adjustment", credit=Account.ADJUSTMENTS)])


def hidden_of(response: Any) -> dict[str, str]:
    """What the form carries unseen."""
    body = response.content.decode()
    found = {name: re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', body) for name in HIDDEN}
    return {name: value[1] for name, value in found.items() if value}


def text_of(response: Any) -> str:
    """What stands on the page, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", response.content.decode()))


def value_of(body: str, name: str) -> str:
    """What stands in a field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', body)
    assert found
    return found[1]

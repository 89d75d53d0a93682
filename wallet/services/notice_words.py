"""What the contexts of all e-mails share: addresses of pages, times in the workspace's zone, rows of a small table."""

from datetime import date, datetime

from django.conf import settings
from django.urls import reverse

from wallet.models import Notice, Wallet
from workspaces.models import Workspace

Context = dict[str, object]
Rows = list[tuple[str, str]]


def wallet_of(notice: Notice) -> Wallet:
    """The wallet, with its workspace, as it is when the mail is sent."""
    return Wallet.objects.select_related("workspace").get(pk=notice.wallet_id)


def page_url(workspace: Workspace, name: str, *arguments: object) -> str:
    """The full address of one of the workspace's pages of Billing."""
    return settings.SITE_URL + reverse(f"billing:{name}", args=[workspace.public_id, *arguments])


def in_words(moment: datetime, *, workspace: Workspace) -> str:
    """In the workspace's zone. As text, because a template would turn a time into the server's zone."""
    return f"{moment.astimezone(workspace.zone):%B %-d, %Y, %H:%M %Z}"


def day_in_words(day: date) -> str:
    """A day of the workspace's zone."""
    return f"{day:%B %-d, %Y}"

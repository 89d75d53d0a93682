"""Sends the e-mails in the outbox, each once."""

from datetime import timedelta
from smtplib import SMTPConnectError, SMTPException, SMTPServerDisconnected
from urllib.parse import urlsplit

from django.conf import settings
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.template.loader import render_to_string
from django.utils import timezone

from wallet.alerts import alert
from wallet.errors import LinkCovered, LinkUnusable, NothingToTell
from wallet.models import Notice
from wallet.services.notice_contexts import notice_context
from wallet.services.notices import is_wanted

ATTEMPTS_MAX = 18
WAIT = timedelta(minutes=1)
"""While what it tells is not so yet."""
RETRY_AFTER = timedelta(minutes=2)
"""Doubles with every attempt up to RETRY_AFTER_MAX: all of them span about three days, as long as a weekend."""
RETRY_AFTER_MAX = timedelta(hours=6)
AWAY_FOR = timedelta(minutes=1)
"""A mail server that does not answer is left alone for so long: each mail would wait for it, and payments for the worker."""
AWAY_KEY = "mail-server-away"


def send_notice(notice_id: int) -> None:
    """Send the e-mail, if it is due and nobody else is sending it; a mail server's refusal is tried again later.

    Claimed before it is sent: a worker killed in between sends it once more after the back-off, which beats never.
    """
    notice = _claim(notice_id)
    if notice is None:
        return
    try:
        _message(notice).send()
    except OSError as error:  # Covers every SMTPException and every failure to connect.
        if _is_away(error):
            cache.set(AWAY_KEY, True, AWAY_FOR.total_seconds())
        Notice.objects.filter(pk=notice.pk).update(last_error=str(error))
    except LinkCovered as error:
        # No attempt: nothing was tried. It waits no longer than the link lives.
        Notice.objects.filter(pk=notice.pk).update(last_error=str(error), attempts=F("attempts") - 1, next_attempt_at=timezone.now() + WAIT)
    except (LinkUnusable, NothingToTell) as error:
        # No attempts are those that were dropped: notices.py queues one anew where it is true again.
        Notice.objects.filter(pk=notice.pk).update(last_error=str(error), next_attempt_at=None, attempts=0)
    else:
        Notice.objects.filter(pk=notice.pk).update(sent_at=Now(), next_attempt_at=None)


@transaction.atomic
def _claim(notice_id: int) -> Notice | None:
    """Count the attempt before it is made; one that never succeeds is given up, whatever stops it."""
    notice = Notice.objects.select_for_update(skip_locked=True).filter(pk=notice_id, next_attempt_at__lte=Now()).first()
    if notice is None:
        return None
    if notice.attempts >= ATTEMPTS_MAX:
        notice.next_attempt_at = None
        notice.save(update_fields=["next_attempt_at"])
        alert("notice_given_up", notice=notice.pk, kind=notice.kind, wallet=notice.wallet_id, error=notice.last_error)
        return None
    if cache.get(AWAY_KEY):
        # That cost nothing, so it does not count.
        notice.next_attempt_at = timezone.now() + AWAY_FOR
        notice.save(update_fields=["next_attempt_at"])
        return None
    notice.next_attempt_at = timezone.now() + min(RETRY_AFTER * 2**notice.attempts, RETRY_AFTER_MAX)
    notice.attempts += 1
    notice.save(update_fields=["next_attempt_at", "attempts"])
    return notice


def _is_away(error: OSError) -> bool:
    """Nobody is there, or nobody who speaks: unlike one that refuses this very mail."""
    return isinstance(error, SMTPConnectError | SMTPServerDisconnected) or not isinstance(error, SMTPException)


def _message(notice: Notice) -> EmailMultiAlternatives:
    if not is_wanted(notice):
        raise NothingToTell("Its recipient is no owner or admin any more, or wants none of these.")
    context = notice_context(notice)
    subject = context["subject"] = " ".join(render_to_string(f"emails/{notice.kind}.subject.txt", context).split())
    message = EmailMultiAlternatives(
        subject=subject,
        body=render_to_string(f"emails/{notice.kind}.txt", context),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[notice.recipient],
        # The same mail sent twice, after a crash in between, is one mail to most mail programs.
        headers={"Message-ID": f"<notice-{notice.pk}@{urlsplit(settings.SITE_URL).hostname}>"},
    )
    message.attach_alternative(render_to_string(f"emails/{notice.kind}.html", context), "text/html")
    return message

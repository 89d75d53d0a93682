"""The mails of this app, built and not sent. Addresses in them come from SITE_URL, never from a request."""

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse

from workspaces.models import Invitation, User


def invitation_mail(invitation: Invitation, *, token: str) -> EmailMultiAlternatives:
    """Who invites, to which workspace, as what, and the link."""
    link = settings.SITE_URL + reverse("workspaces:invitation", args=[token])
    context = {"invitation": invitation, "link": link, "operator": settings.OPERATOR_NAME, "support": settings.SUPPORT_EMAIL}
    text = render_to_string("workspaces/mail/invitation.txt", context)
    message = EmailMultiAlternatives(f"Join {invitation.workspace.name} on {settings.OPERATOR_NAME}", text, to=[invitation.email])
    message.attach_alternative(render_to_string("workspaces/mail/invitation.html", context), "text/html")
    return message


def second_factor_removed_mail(user: User) -> EmailMessage:
    """That the operator took the second factor away, and what to do where nobody asked for it."""
    context = {
        "user": user,
        "link": settings.SITE_URL + reverse("mfa_index"),
        "operator": settings.OPERATOR_NAME,
        "support": settings.SUPPORT_EMAIL,
    }
    text = render_to_string("workspaces/mail/second_factor_removed.txt", context)
    return EmailMessage("Your second factor was removed", text, to=[user.email])

"""Users, workspaces, members and invitations. Holds no money and no prices."""

import secrets
from datetime import timedelta
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone

INVITATION_LIFETIME = timedelta(days=7)
SEND_ATTEMPTS_MAX = 5
PUBLIC_ID_PREFIX = "ws_"


def new_public_id() -> str:
    """An id that is safe to show and to put into an address: 96 random bits, no meaning."""
    return f"{PUBLIC_ID_PREFIX}{secrets.token_hex(12)}"


def new_nonce() -> str:
    """128 random bits: what makes one invitation link different from the next."""
    return secrets.token_urlsafe(16)


def valid_time_zone(name: str) -> None:
    """Raises ValidationError unless `name` is in the IANA database; `localtime` is the machine's own file beside it."""
    if name not in available_timezones() - {"localtime"}:
        raise ValidationError("Choose a time zone from the list.", code="unknown_time_zone")


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail address; there are no usernames."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)


class User(AbstractBaseUser, PermissionsMixin):
    """A person who signs in. Belongs to any number of workspaces through Membership."""

    email = models.EmailField(max_length=254, unique=True)
    name = models.CharField(max_length=100, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False, help_text="May open the operator's console.")
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_is_unique")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email.partition("@")[0]


class Role(models.TextChoices):
    """What a member may do. Billing is for owner and admin."""

    OWNER = "owner", "Owner"
    ADMIN = "admin", "Admin"
    MEMBER = "member", "Member"


BILLING_ROLES = (Role.OWNER, Role.ADMIN)


class Workspace(models.Model):
    """The paying customer of the platform. Its wallet shares its primary key."""

    public_id = models.CharField(max_length=32, unique=True, default=new_public_id, editable=False)
    external_id = models.CharField(
        max_length=200, unique=True, null=True, blank=True, help_text="The platform's own id for this customer; set through the API only."
    )
    name = models.CharField(max_length=100)
    time_zone = models.CharField(
        max_length=64, default="UTC", validators=[valid_time_zone], help_text="Days, months and times on the pages are told in this zone."
    )
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    members = models.ManyToManyField(User, through="Membership", related_name="workspaces")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~models.Q(name=""), name="workspace_has_a_name"),
            # Either id may name a workspace in the API, so no id of the platform's may look like one of ours.
            models.CheckConstraint(condition=~models.Q(external_id__startswith=PUBLIC_ID_PREFIX), name="workspace_external_id_is_not_ours"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)


class Membership(models.Model):
    """A user's place in a workspace. Every workspace keeps at least one owner (services.py)."""

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=6, choices=Role)
    joined_at = models.DateTimeField(db_default=Now(), editable=False)
    opened_at = models.DateTimeField(null=True, editable=False, help_text="When the user last switched to this workspace.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "user"], name="membership_is_one_per_user_and_workspace"),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="membership_role_is_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.workspace} · {self.role}"

    @property
    def may_bill(self) -> bool:
        return self.role in BILLING_ROLES


class Invitation(models.Model):
    """An offer of a role, sent by e-mail; the row is the job to send it.

    Open until it is accepted or withdrawn, once. The link in the mail is signed over `nonce`, which changes
    when the invitation is sent anew: only the newest link works, and the database alone yields none.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(max_length=254)
    role = models.CharField(max_length=6, choices=Role)
    invited_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    nonce = models.CharField(max_length=32, unique=True, default=new_nonce, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    send_after = models.DateTimeField(db_default=Now(), editable=False, help_text="No attempt to send before; each attempt moves it on.")
    send_attempts = models.PositiveSmallIntegerField(default=0, editable=False)
    times_sent = models.PositiveSmallIntegerField(
        default=1, editable=False, help_text="Mails asked for: the first, and each time it was sent again."
    )
    sent_at = models.DateTimeField(null=True, editable=False)
    accepted_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "workspace",
                Lower("email"),
                condition=models.Q(accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_is_one_open_per_address",
            ),
            models.CheckConstraint(condition=models.Q(role__in=Role.values), name="invitation_role_is_known"),
            models.CheckConstraint(
                condition=models.Q(accepted_at__isnull=True) | models.Q(revoked_at__isnull=True), name="invitation_ends_once"
            ),
        ]
        indexes = [
            models.Index(
                fields=["send_after"],
                condition=models.Q(sent_at__isnull=True, accepted_at__isnull=True, revoked_at__isnull=True),
                name="invitation_to_send",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} → {self.workspace} ({self.role})"

    @property
    def is_open(self) -> bool:
        return self.accepted_at is None and self.revoked_at is None

    @property
    def is_unsendable(self) -> bool:
        """The mail server refused it every time: a person has to look at the address."""
        return self.sent_at is None and self.send_attempts >= SEND_ATTEMPTS_MAX

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

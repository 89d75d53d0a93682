"""The operator's view of people, workspaces and the audit log. Looks, switches accounts off and revokes keys: finance's, both recorded."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db import transaction
from django.db.models import F, QuerySet
from django.http import HttpRequest

from workspaces import services
from workspaces.models import ApiKey, AuditEntry, Invitation, Membership, User, Workspace
from workspaces.services.audit import record
from workspaces.staff import EVERY_ROLE, StaffRole, may_act
from workspaces.staff_admin import StaffReading

# Django's own classes take no parameter at run time; only the types do.
if TYPE_CHECKING:
    TabularInline = admin.TabularInline[Membership, Workspace]
else:
    TabularInline = admin.TabularInline


class MembershipInline(TabularInline):
    """Who is in a workspace."""

    model = Membership
    extra = 0
    fields = readonly_fields = ("user", "role", "joined_at", "opened_at")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may_act(request.user, roles=EVERY_ROLE)


@admin.register(User)
class UserAdmin(StaffReading):
    """People; switching them off ends every session of theirs at the next request. Who is staff is the server's to say."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    actions = ("switch_off", "switch_on")

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Asked by the actions below."""
        return may_act(request.user, roles=[StaffRole.FINANCE])

    @admin.action(description="Switch off, and end their sessions", permissions=["switch"])
    def switch_off(self, request: HttpRequest, users: QuerySet[User]) -> None:
        """Staff are not switched off here: nobody locks another of the operator's people out by a click."""
        self._switch(request, users.filter(is_staff=False), is_active=False)

    @admin.action(description="Switch on again", permissions=["switch"])
    def switch_on(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._switch(request, users.filter(is_staff=False), is_active=True)

    def _switch(self, request: HttpRequest, users: QuerySet[User], *, is_active: bool) -> None:
        with transaction.atomic():
            for user in users.exclude(is_active=is_active).select_for_update():
                user.is_active = is_active
                user.save(update_fields=["is_active"])
                record("user.switched_on" if is_active else "user.switched_off", workspace=None, target=user.email, as_staff=True)
        self.message_user(request, "Done; it stands in the audit log.")


@admin.register(Workspace)
class WorkspaceAdmin(StaffReading):
    """Customers."""

    list_display = ("name", "public_id", "external_id", "time_zone", "created_at")
    search_fields = ("name", "public_id", "external_id", "memberships__user__email")
    fields = ("public_id", "external_id", "name", "time_zone", "created_at")
    inlines = (MembershipInline,)


@admin.register(Invitation)
class InvitationAdmin(StaffReading):
    """Invitations and what became of them."""

    list_display = ("email", "workspace", "role", "created_at", "sent_at", "accepted_at", "revoked_at")
    search_fields = ("email", "workspace__name")
    fields = readonly_fields = (
        "workspace",
        "email",
        "role",
        "invited_by",
        "created_at",
        "expires_at",
        "send_attempts",
        "sent_at",
        "accepted_at",
        "revoked_at",
    )


@admin.register(ApiKey)
class ApiKeyAdmin(StaffReading):
    """Every key, the platform's own first. They are made on their page or by create_platform_key, and revoked there or here."""

    list_display = ("name", "prefix", "workspace", "scopes", "last_used_at", "expires_at", "revoked_at")
    list_filter = (("workspace", admin.EmptyFieldListFilter),)
    search_fields = ("name", "prefix", "workspace__name", "workspace__public_id")
    ordering = (F("workspace").asc(nulls_first=True), "-created_at")
    fields = readonly_fields = (
        "name",
        "prefix",
        "workspace",
        "scopes",
        "created_by",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    )
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Asked by the action below."""
        return may_act(request.user, roles=[StaffRole.FINANCE])

    @admin.action(description="Revoke at once", permissions=["revoke"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """Ends the keys that were chosen."""
        for key in keys:
            services.revoke_api_key(key)
        self.message_user(request, f"{len(keys)} revoked.")


@admin.register(AuditEntry)
class AuditEntryAdmin(StaffReading):
    """Who did what. Added to by what they did, and never changed."""

    list_display = ("at", "action", "target", "workspace", "actor_label", "is_staff_act", "reason")
    list_filter = ("is_staff_act", "actor_kind")
    list_select_related = ("workspace",)
    ordering = ("-at",)
    fields = readonly_fields = (
        *("at", "workspace", "action", "target", "actor_kind", "actor_label", "is_staff_act"),
        *("address", "before", "after", "reason"),
    )

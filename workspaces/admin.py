"""The operator's view of people and workspaces. Looks, and disables accounts; everything else goes through the services."""

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest

from workspaces import services
from workspaces.models import ApiKey, Invitation, Membership, User, Workspace

# Django's own classes take no parameter at run time; only the types do.
if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
    TabularInline = admin.TabularInline[Membership, Workspace]
else:
    ModelAdmin, TabularInline = admin.ModelAdmin, admin.TabularInline


class Looking(ModelAdmin):
    """Nothing is added or removed here: an owner must stay, and the books refer to workspaces for good."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class MembershipInline(TabularInline):
    """Who is in a workspace."""

    model = Membership
    extra = 0
    fields = readonly_fields = ("user", "role", "joined_at", "opened_at")
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(User)
class UserAdmin(Looking):
    """People; switching `is_active` off ends every session of theirs at the next request."""

    list_display = ("email", "name", "is_active", "is_staff", "last_login")
    list_filter = ("is_active", "is_staff")
    search_fields = ("email", "name")
    fields = ("email", "name", "is_active", "is_staff", "date_joined", "last_login")
    readonly_fields = ("email", "date_joined", "last_login")


@admin.register(Workspace)
class WorkspaceAdmin(Looking):
    """Customers."""

    list_display = ("name", "public_id", "external_id", "time_zone", "created_at")
    search_fields = ("name", "public_id", "external_id", "memberships__user__email")
    fields = ("public_id", "external_id", "name", "time_zone", "created_at")
    readonly_fields = ("public_id", "external_id", "created_at")
    inlines = (MembershipInline,)


@admin.register(Invitation)
class InvitationAdmin(Looking):
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
class ApiKeyAdmin(Looking):
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

    @admin.action(description="Revoke at once", permissions=["change"])
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        """Ends the keys that were chosen."""
        for key in keys:
            services.revoke_api_key(key)
        self.message_user(request, f"{len(keys)} revoked.")

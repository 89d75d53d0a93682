"""Addresses of this app. All that belongs to one workspace lives under /w/<public_id>/."""

from django.urls import include, path

from workspaces.views import account, activity, api_keys, home, invitations, members, settings

app_name = "workspaces"

of_one_workspace = [
    path("", home.entry, name="entry"),
    path("settings/workspace", settings.settings, name="settings"),
    path("settings/workspace/save", settings.save_settings, name="save_settings"),
    path("settings/workspace/leave", settings.leave, name="leave"),
    path("settings/members", members.members, name="members"),
    path("settings/members/invite", members.invite, name="invite"),
    path("settings/members/<int:member_id>", members.member, name="member"),
    path("settings/members/<int:member_id>/remove", members.remove, name="remove"),
    path("settings/members/invitations/<int:invitation_id>/resend", members.resend_invitation, name="resend_invitation"),
    path("settings/members/invitations/<int:invitation_id>/withdraw", members.revoke_invitation, name="revoke_invitation"),
    path("settings/activity", activity.activity, name="activity"),
    path("settings/api-keys", api_keys.api_keys, name="api_keys"),
    path("settings/api-keys/new", api_keys.new_api_key, name="new_api_key"),
    path("settings/api-keys/<int:key_id>/revoke", api_keys.revoke_api_key, name="revoke_api_key"),
]

urlpatterns = [
    path("", home.home, name="home"),
    path("accounts/", account.account, name="account"),
    path("invitations/<str:token>", invitations.invitation, name="invitation"),
    path("w/<str:public_id>/", include(of_one_workspace)),
]

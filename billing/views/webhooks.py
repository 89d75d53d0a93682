"""Settings → Webhooks: the pages about endpoints (billing.webhook_pages), for the workspace's owner and admins."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse

from billing import webhook_pages as pages
from workspaces.access import WorkspaceRequest, admin_required
from workspaces.responses import is_htmx


def _of_workspace(page: Callable[..., HttpResponse]) -> Callable[..., Any]:
    @wraps(page)
    def view(request: WorkspaceRequest, **ids: int) -> HttpResponse:
        return page(request, _desk(request), **ids)

    return admin_required(view)


def _desk(request: WorkspaceRequest) -> pages.Desk:
    return pages.Desk(
        request.workspace,
        prefix="billing:",
        arguments=(request.workspace.public_id,),
        frame="settings.html",
        form_frame="_in_dialog.html" if is_htmx(request) else "_as_page.html",
        has_dialog=True,
    )


endpoints = _of_workspace(pages.show_endpoints)
new_endpoint = _of_workspace(pages.new_endpoint)
endpoint = _of_workspace(pages.show_endpoint)
edit_endpoint = _of_workspace(pages.edit_endpoint)
switch_endpoint = _of_workspace(pages.switch_endpoint)
remove_endpoint = _of_workspace(pages.remove_endpoint)
send_test = _of_workspace(pages.send_test)
reveal_secret = _of_workspace(pages.reveal_secret)
rotate_secret = _of_workspace(pages.rotate_secret)
delivery = _of_workspace(pages.show_delivery)
delivery_row = _of_workspace(pages.show_delivery_row)
resend = _of_workspace(pages.resend)
resend_failed = _of_workspace(pages.resend_failed)

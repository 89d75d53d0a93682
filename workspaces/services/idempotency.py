"""Requests that must not be carried out twice: claimed, answered, and forgotten after a while."""

from datetime import timedelta

from django.db.models.functions import Now

from workspaces.models import ApiKey, IdempotentRequest

KEPT_FOR = timedelta(days=7)
FORGOTTEN_AT_ONCE_MAX = 10_000


def claim_request(api_key: ApiKey, *, key: str, fingerprint: str) -> tuple[IdempotentRequest, bool]:
    """The request of that key, and whether it is this caller who carries it out.

    Inside the transaction of the effect: of two at once the second waits until the first has ended, and carries it out
    itself where the first was refused. Idempotent by: tenant and key.
    """
    return IdempotentRequest.objects.get_or_create(
        workspace_id=api_key.workspace_id,  # type: ignore[misc]  # django-stubs takes a column's id for one that is never null
        key=key,
        defaults={"fingerprint": fingerprint},
    )


def keep_answer(request: IdempotentRequest, *, status: int, body: str) -> None:
    """What everyone is answered who sends the request again."""
    request.status, request.body = status, body
    request.save(update_fields=["status", "body"])


def forget_old_requests() -> int:
    """Remove what is older than anyone retries; answers how many. What is left over is removed the next time."""
    old = IdempotentRequest.objects.filter(created_at__lt=Now() - KEPT_FOR).order_by("created_at").values("pk")[:FORGOTTEN_AT_ONCE_MAX]
    count, _ = IdempotentRequest.objects.filter(pk__in=old).delete()
    return count

"""Answers with a file: written while it is sent, or made before by a worker. Streamed either way."""

from collections.abc import Iterable

from django.http import StreamingHttpResponse
from django.utils import timezone

from billing.export_making import pieces_of
from billing.models import Export


def csv_answer(pieces: Iterable[str] | Iterable[bytes], *, file_name: str) -> StreamingHttpResponse:
    """A download. Proxies are told not to gather it first."""
    headers = {"Content-Disposition": f'attachment; filename="{file_name}"', "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8", headers=headers)


def made_file(export: Export) -> StreamingHttpResponse | None:
    """The file as it was made; None where there is none yet, or none any more. A part at a time is read, whatever its length."""
    if export.state != Export.State.READY or export.expires_at is None or export.expires_at <= timezone.now():
        return None
    answer = csv_answer(pieces_of(export), file_name=export.file_name)
    # Known beforehand: a browser shows how far it is, and sees a file that was cut off for what it is.
    answer["Content-Length"] = str(export.bytes)
    return answer

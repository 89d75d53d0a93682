"""Whether a request wants a part of a page."""

import pytest
from django.test import RequestFactory

from workspaces.responses import htmx_target, is_htmx

ASKED = {"HX-Request": "true", "HX-Target": "history"}


@pytest.mark.parametrize(
    ("headers", "wants_a_part"),
    [
        ({}, False),
        (ASKED, True),
        ({**ASKED, "HX-Boosted": "true"}, False),
        # A person goes back to a page that htmx has forgotten.
        ({**ASKED, "HX-History-Restore-Request": "true"}, False),
    ],
)
def test_it_knows_who_wants_a_part(headers: dict[str, str], wants_a_part: bool) -> None:
    assert is_htmx(RequestFactory().get("/", headers=headers)) is wants_a_part


def test_it_knows_where_the_answer_is_put() -> None:
    assert htmx_target(RequestFactory().get("/", headers=ASKED)) == "history"
    assert htmx_target(RequestFactory().get("/")) is None

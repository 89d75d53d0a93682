"""The frame's parts: marks, icons, links."""

import re
from pathlib import Path

import pytest
from django.conf import settings

from workspaces import navigation
from workspaces.models import Membership, Role, User, Workspace
from workspaces.templatetags.frame import icon, initials

SPRITE = Path(settings.BASE_DIR) / "static" / "icons.svg"


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Northside Realty", "NR"),
        ("Harbor Dental Group", "HG"),
        ("Acme", "AC"),
        ("jean-luc picard", "JP"),
        ("É", "É"),
        ("— —", "—"),
        ("x", "X"),
    ],
)
def test_it_makes_a_mark_of_a_name(name: str, letters: str) -> None:
    assert initials(Workspace(name=name)) == letters


def test_it_makes_a_mark_of_an_address() -> None:
    assert initials(User(email="ada.lovelace@example.com")) == "AL"


def test_it_has_every_icon_that_a_template_asks_for() -> None:
    known = set(re.findall(r'<symbol id="([\w-]+)"', SPRITE.read_text()))
    templates = [path for folder in ("templates", "*/templates") for path in Path(settings.BASE_DIR).glob(f"{folder}/**/*.html")]
    asked = {name for path in templates for name in re.findall(r'{% icon "([\w-]+)"', path.read_text())}

    assert asked
    assert asked - known == set()
    assert {link.icon for link in navigation.SIDEBAR} <= known


def test_it_hides_icons_from_screen_readers() -> None:
    assert 'aria-hidden="true"' in icon("plus")


def test_it_escapes_what_an_icon_is_called() -> None:
    assert "<script>" not in icon("<script>")


@pytest.mark.parametrize(("role", "sees_billing"), [(Role.OWNER, True), (Role.ADMIN, True), (Role.MEMBER, False)])
def test_it_shows_billing_to_owners_and_admins(role: Role, sees_billing: bool) -> None:
    membership = Membership(workspace=Workspace(public_id="ws_1"), user=User(), role=role)

    items = navigation.items_for(membership, links=navigation.SETTINGS, path="/w/ws_1/settings/members/invite")

    assert ("Billing" in [item.label for item in items]) is sees_billing
    assert [item.label for item in items if item.current] == ["Members"]

"""A new workspace in a browser: its time zone is the person's own, unless they choose another."""

from playwright.sync_api import expect

from tests.flows.conftest import Northside, SignedInPage
from workspaces.models import Workspace

NEW = "/workspaces/new"


def test_it_chooses_the_browsers_own_time_zone(northside: Northside, as_user: SignedInPage) -> None:
    page = as_user(northside.charlie, NEW, timezone_id="Asia/Tokyo")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Tokyo")

    # What a person chooses stays, also when something else has to be mended first.
    page.get_by_label("Time zone").select_option("UTC")
    page.get_by_role("button", name="Create workspace").click()
    expect(page.get_by_text("This field is required.").first).to_be_visible()
    expect(page.get_by_label("Time zone")).to_have_value("UTC")
    page.get_by_label("Time zone").select_option("Europe/Paris")
    page.get_by_label("Workspace name").fill("Elsewhere")
    page.get_by_role("button", name="Create workspace").click()

    expect(page.get_by_text("Elsewhere is ready.")).to_be_visible()
    assert Workspace.objects.get(name="Elsewhere").time_zone == "Europe/Paris"


def test_it_begins_in_utc_where_no_script_runs(northside: Northside, as_user: SignedInPage) -> None:
    page = as_user(northside.charlie, NEW, timezone_id="Asia/Tokyo", java_script_enabled=False)
    expect(page.get_by_label("Time zone")).to_have_value("UTC")

    page.get_by_label("Workspace name").fill("Elsewhere")
    page.get_by_role("button", name="Create workspace").click()

    expect(page.get_by_text("Elsewhere is ready.")).to_be_visible()
    assert Workspace.objects.get(name="Elsewhere").time_zone == "UTC"

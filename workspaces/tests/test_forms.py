"""What a form takes and what it makes of it."""

from workspaces.forms import LineField, WorkspaceForm, time_zone_choices


def test_it_lists_zones_by_region_with_their_distance() -> None:
    regions = {str(name): dict(zones) for name, zones in time_zone_choices() if not isinstance(zones, str)}

    assert regions["Asia"]["Asia/Tokyo"] == "Tokyo (UTC+09:00)"
    assert regions["America"]["America/Argentina/Ushuaia"] == "Argentina, Ushuaia (UTC−03:00)"
    assert "US" not in regions


def test_it_makes_one_line_of_what_was_pasted() -> None:
    assert LineField().clean(" North\r\nside \t Realty\n") == "North side Realty"


def test_it_links_errors_to_their_field() -> None:
    form = WorkspaceForm({"name": "", "time_zone": "UTC"})

    drawn = form["name"].as_field_group()

    assert 'id="id_name_error"' in drawn
    assert 'aria-describedby="id_name_error"' in drawn
    assert 'aria-invalid="true"' in drawn


def test_it_sums_up_errors_when_there_are_several() -> None:
    drawn = str(WorkspaceForm({"name": "", "time_zone": "Mars/Olympus"}))

    assert "data-error-summary" in drawn
    assert 'href="#id_name"' in drawn
    assert 'href="#id_time_zone"' in drawn


def test_it_leaves_the_summary_out_for_one_field() -> None:
    assert "data-error-summary" not in str(WorkspaceForm({"name": "", "time_zone": "UTC"}))

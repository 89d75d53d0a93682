"""That tests of one group share a process: browser tests one stack and one Chromium, races the machine with nobody else's races."""

import os

import pytest


@pytest.mark.xdist_group("races")
def test_it_keeps_a_group_together(request: pytest.FixtureRequest) -> None:
    # A release of pytest that pytest-xdist does not know lets groups fall apart in silence: two stacks and two browsers on two cores.
    if "PYTEST_XDIST_WORKER" not in os.environ:
        pytest.skip("runs where workers share the tests: pytest -n 3 --dist loadgroup")

    assert request.node.nodeid.endswith("@races")

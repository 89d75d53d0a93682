"""An export that cannot be made, and what it costs the others."""

from typing import Any

import pytest
from django.http import QueryDict

from billing import export_making
from billing.export_making import make_export
from billing.export_requests import history_order, request_export
from billing.export_sources import source_of
from billing.history import read_query
from billing.models import Export
from wallet.models import Wallet
from workspaces.models import User

pytestmark = pytest.mark.django_db


def asked_for(wallet: Wallet, kind: Export.Kind, by: User) -> Export:
    return request_export(history_order(wallet, kind=kind, query=read_query(QueryDict()), zone=wallet.workspace.zone), by=by)


def test_it_keeps_no_other_file_waiting_that_one_fails(
    alice: User, wallet: Wallet, elsewhere: Wallet, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    """Where one is written at a time, a turn that failed must not hold the place of the next for minutes."""
    settings.EXPORTS_AT_ONCE = 1
    bad, good = (asked_for(whose, Export.Kind.TRANSACTIONS, alice) for whose in (wallet, elsewhere))

    def source(export: Export) -> Any:
        if export.pk == bad.pk:
            raise ArithmeticError("a row that nobody thought of")
        return source_of(export)

    monkeypatch.setattr(export_making, "source_of", source)

    for _ in range(export_making.ATTEMPTS_MAX):
        with pytest.raises(ArithmeticError):
            make_export(str(bad.pk))
    make_export(str(good.pk))
    make_export(str(bad.pk))

    assert [Export.objects.get(pk=export.pk).state for export in (good, bad)] == [Export.State.READY, Export.State.FAILED]

"""Where the operator's acts hang, below /admin/. Every one of them is for finance alone (admin_acts.pages.act_page)."""

from django.urls import path

from wallet.admin_acts import asking, deciding
from wallet.admin_acts.kinds import ACTS
from wallet.admin_acts.pages import act_page

app_name = "console"

_OF_WALLET = "wallets/<slug:public_id>"

urlpatterns = [
    path("approvals/", act_page(deciding.proposals), name="proposals"),
    path(f"{_OF_WALLET}/acts/", act_page(deciding.acts), name="acts"),
    path(f"{_OF_WALLET}/adjust/", act_page(asking.adjust), name="adjust"),
    path(f"{_OF_WALLET}/promotion/", act_page(asking.grant_promotion), name="grant"),
    path(f"{_OF_WALLET}/refund/", act_page(asking.choose_refund), name="refunds"),
    path(f"{_OF_WALLET}/refund/<uuid:top_up_id>/", act_page(asking.refund), name="refund"),
    path(f"{_OF_WALLET}/freeze/", act_page(asking.freeze), name="freeze"),
    path(f"{_OF_WALLET}/unfreeze/", act_page(asking.unfreeze), name="unfreeze"),
    path(f"{_OF_WALLET}/close/", act_page(asking.close), name="close"),
    path(f"{_OF_WALLET}/links/<uuid:link_id>/resend/", act_page(asking.resend_link), name="resend_link"),
    *(
        path(f"{_OF_WALLET}/{kind}s/<uuid:pk>/", act_page(deciding.proposal), {"kind": kind}, name=act.url_name.removeprefix("console:"))
        for kind, act in ACTS.items()
    ),
]

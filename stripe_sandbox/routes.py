"""The table of operations: name, method, path, parameters, and the function that does it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stripe_sandbox import params
from stripe_sandbox.operations import (
    balance_transactions,
    charges,
    checkout_sessions,
    customers,
    disputes,
    events,
    payment_intents,
    payment_methods,
    refunds,
    setup_intents,
)
from stripe_sandbox.transaction import Document


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One thing that can be asked of the API."""

    name: str
    method: str
    # A template such as /v1/refunds/{refund}; what stands in braces is passed on by that name.
    path: str
    run: Callable[..., Document]
    fields: Mapping[str, params.Kind] = field(default_factory=lambda: params.EXPAND)
    required: tuple[str, ...] = ()

    @property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path) + "$")


def _crud(kind: str, *, path: str, key: str) -> dict[str, tuple[str, str, str]]:
    return {
        "create": (f"{kind}.create", "POST", path),
        "list": (f"{kind}.list", "GET", path),
        "retrieve": (f"{kind}.retrieve", "GET", f"{path}/{{{key}}}"),
        "update": (f"{kind}.update", "POST", f"{path}/{{{key}}}"),
        "delete": (f"{kind}.delete", "DELETE", f"{path}/{{{key}}}"),
    }


def _operation(
    where: tuple[str, str, str],
    run: Callable[..., Document],
    fields: Mapping[str, params.Kind] = params.EXPAND,
    required: tuple[str, ...] = (),
) -> Operation:
    name, method, path = where
    return Operation(name=name, method=method, path=path, run=run, fields=fields, required=required)


_customer = _crud("customers", path="/v1/customers", key="customer")
_method = _crud("payment_methods", path="/v1/payment_methods", key="payment_method")
_session = _crud("checkout.sessions", path="/v1/checkout/sessions", key="session")
_payment = _crud("payment_intents", path="/v1/payment_intents", key="intent")
_setup = _crud("setup_intents", path="/v1/setup_intents", key="intent")
_charge = _crud("charges", path="/v1/charges", key="charge")
_refund = _crud("refunds", path="/v1/refunds", key="refund")
_dispute = _crud("disputes", path="/v1/disputes", key="dispute")
_row = _crud("balance_transactions", path="/v1/balance_transactions", key="balance_transaction")
_event = _crud("events", path="/v1/events", key="event")

OPERATIONS: tuple[Operation, ...] = (
    _operation(_customer["create"], customers.create, customers.CREATE),
    _operation(_customer["retrieve"], customers.retrieve),
    _operation(_customer["update"], customers.update, customers.UPDATE),
    _operation(_customer["list"], customers.list_, customers.LIST),
    _operation(_customer["delete"], customers.delete, {}),
    _operation(
        ("customers.payment_methods.list", "GET", "/v1/customers/{customer}/payment_methods"),
        payment_methods.list_of_customer,
        payment_methods.LIST_OF_CUSTOMER,
    ),
    _operation(_method["create"], payment_methods.create, payment_methods.CREATE, ("type",)),
    _operation(_method["retrieve"], payment_methods.retrieve),
    _operation(_method["update"], payment_methods.update, payment_methods.UPDATE),
    _operation(_method["list"], payment_methods.list_, payment_methods.LIST),
    _operation(
        ("payment_methods.attach", "POST", "/v1/payment_methods/{payment_method}/attach"),
        payment_methods.attach,
        payment_methods.ATTACH,
        ("customer",),
    ),
    _operation(("payment_methods.detach", "POST", "/v1/payment_methods/{payment_method}/detach"), payment_methods.detach),
    _operation(_session["create"], checkout_sessions.create, checkout_sessions.CREATE, checkout_sessions.CREATE_REQUIRED),
    _operation(_session["retrieve"], checkout_sessions.retrieve),
    _operation(_session["list"], checkout_sessions.list_, checkout_sessions.LIST),
    _operation(("checkout.sessions.expire", "POST", "/v1/checkout/sessions/{session}/expire"), checkout_sessions.expire),
    _operation(_payment["create"], payment_intents.create, payment_intents.CREATE, payment_intents.CREATE_REQUIRED),
    _operation(_payment["retrieve"], payment_intents.retrieve),
    _operation(_payment["update"], payment_intents.update, payment_intents.UPDATE),
    _operation(_payment["list"], payment_intents.list_, payment_intents.LIST),
    _operation(
        ("payment_intents.confirm", "POST", "/v1/payment_intents/{intent}/confirm"), payment_intents.confirm, payment_intents.CONFIRM
    ),
    _operation(("payment_intents.cancel", "POST", "/v1/payment_intents/{intent}/cancel"), payment_intents.cancel, payment_intents.CANCEL),
    _operation(_setup["create"], setup_intents.create, setup_intents.CREATE),
    _operation(_setup["retrieve"], setup_intents.retrieve),
    _operation(_setup["list"], setup_intents.list_, setup_intents.LIST),
    _operation(("setup_intents.confirm", "POST", "/v1/setup_intents/{intent}/confirm"), setup_intents.confirm, setup_intents.CONFIRM),
    _operation(("setup_intents.cancel", "POST", "/v1/setup_intents/{intent}/cancel"), setup_intents.cancel, setup_intents.CANCEL),
    _operation(_charge["retrieve"], charges.retrieve),
    _operation(_charge["update"], charges.update, charges.UPDATE),
    _operation(_charge["list"], charges.list_, charges.LIST),
    _operation(_refund["create"], refunds.create, refunds.CREATE),
    _operation(_refund["retrieve"], refunds.retrieve),
    _operation(_refund["update"], refunds.update, refunds.UPDATE),
    _operation(_refund["list"], refunds.list_, refunds.LIST),
    _operation(_dispute["retrieve"], disputes.retrieve),
    _operation(_dispute["update"], disputes.update, disputes.UPDATE),
    _operation(_dispute["list"], disputes.list_, disputes.LIST),
    _operation(("disputes.close", "POST", "/v1/disputes/{dispute}/close"), disputes.close),
    _operation(_row["retrieve"], balance_transactions.retrieve),
    _operation(_row["list"], balance_transactions.list_, balance_transactions.LIST),
    _operation(_event["retrieve"], events.retrieve),
    _operation(_event["list"], events.list_, events.LIST),
)
_TABLE = [(operation.method, operation.pattern, operation) for operation in OPERATIONS]


def find(method: str, path: str) -> tuple[Operation, dict[str, str]] | None:
    """The operation behind a request, and the ids in its path."""
    for operation_method, pattern, operation in _TABLE:
        if operation_method == method and (match := pattern.match(path)):
            return operation, match.groupdict()
    return None

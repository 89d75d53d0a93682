"""How usage's refusals are put to the platform: one row for each code that can reach the API."""

from workspaces.api.problems import Code

USAGE_CODES = {
    "not_cloud_events": Code(
        400, "Not CloudEvents", "The request is no CloudEvent 1.0 in structured, batched or binary mode, so nothing of it was taken."
    ),
    "signature_refused": Code(
        403, "Signature refused", "A webhook's signature or secret does not fit: check the connector's secret and the address it was given."
    ),
    "overloaded": Code(503, "Overloaded", "The wallet is busy. Nothing was taken: send the same again after Retry-After."),
    "unknown_meter": Code(404, "Unknown meter", "The operator set no such meter up."),
    "calls_paused": Code(
        402, "Calls paused", "The money ran out and inbound calls had their grace time. They go on as soon as balance is added."
    ),
    "budget_reached": Code(402, "Budget reached", "The month's budget of this agent, number or key has no room for it."),
    "no_rate": Code(422, "No rate", "Nothing prices this meter and destination in the wallet's currency."),
}

"""What of usage can be proved from its tables: each use is charged once, and what is summed is what was used (laws 3, 5 and 8)."""

from usage import book_queries
from wallet.services.books import Check

CHECKS = [
    Check(
        name="uses",
        proves="each use that is charged has its transfer, of its amount",
        statement=book_queries.USES,
        words={
            "not charged": "has the use {event_id} of {source} for {amount_micros}, and no transfer that charges it",
            "no transfer": "should charge the use {event_id} of {source}, and is missing",
            "another transfer": "should charge the use {event_id} of {source}, and is for something else",
            "amount": "charges {booked_micros} for the use {event_id} of {source}, and should charge {amount_micros}",
        },
    ),
    Check(
        name="charges",
        proves="each charge of a use names one use, which no other charge names",
        statement=book_queries.CHARGES,
        words={
            "key": "charges the use {reference} under the key {idempotency_key}, and should do so under event:, the day and :{reference}",
            "charged twice": "is one of {charges} charges of the use {reference}, and there should be one",
            "no event": "charges {amount_micros} for the use {reference}, and there is no such use",
        },
    ),
    Check(
        name="days",
        proves="the sums of each day are what its uses add up to",
        statement=book_queries.DAYS,
        words={
            "events": "counts {summed_events} uses of {meter_id} on {day}, and there are {counted_events}",
            "amount": "sums up {summed_micros} for {meter_id} on {day}, and its uses cost {counted_micros}",
            "quantity": "sums up another quantity of {meter_id} on {day} than its uses have",
        },
    ),
    Check(
        name="captures",
        proves="each captured hold of a use was charged",
        statement=book_queries.CAPTURES,
        words={
            "not charged": "has the hold {id}, which is captured, and no use that was charged under it",
            "amount": "has the hold {id}, which captured {captured_micros}, and uses under it that cost {charged_micros}",
        },
    ),
    Check(
        name="kept aside",
        proves="each report that was kept aside and replayed is among the uses",
        statement=book_queries.KEPT,
        words={"lost": "had the report {event_id} of {source} kept aside and replayed ({resolution}), and there is no such use"},
    ),
    Check(
        name="budgets",
        proves="what each budget's months have spent is what was used under it",
        statement=book_queries.BUDGETS,
        words={"spent": "says that {summed_micros} was spent in {month} on the {scope} {value}, and its uses cost {spent_micros}"},
    ),
]

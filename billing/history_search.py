"""Finds rows of the history: by filters, and by what a person typed. Every way is a walk along one index; nothing here scans."""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from usage.event_queries import Trail, names_of, seqs_of_event_id, seqs_of_keys, trail_page
from usage.kinds import UsageKind
from wallet.models import TopUp, Wallet
from wallet.queries import TransferPage, seqs_between, seqs_of_idempotency_keys, transfers_of_seqs, transfers_page

TEXT_MAX = 420
"""A source and an id of an event, both at their longest, fit."""
AGENTS_FOUND_MAX = 10
DIGITS_LEAST = 3
"""Shorter pieces of the workspace's own numbers find too much."""
POSTED_UNDER = ("top-up", "promotion", "refund", "refund-failed", "dispute", "dispute-won", "dispute-lost")
"""The ledger keys that a reference is looked for under, by their beginnings."""

_SEPARATORS = re.compile(r"[\s().\-/]")
_PLAIN_NUMBER = re.compile(r"\+?[0-9]{2,20}")
_ENTRY = re.compile(r"#([0-9]{1,18})")


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for: kinds or all, booked in [since, until), and `text` as it was typed."""

    kinds: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    text: str = ""


def readable_text(text: str) -> str:
    """What was typed, without spaces around it; nothing where no row could ever hold it."""
    text = text.strip()
    return text if len(text) <= TEXT_MAX and text.isprintable() else ""


def found_page(wallet: Wallet, search: Search, *, before_seq: int | None, limit: int) -> TransferPage:
    """One page of what is found, newest first. An empty page may still say where to look further."""
    if not search.text:
        return transfers_page(wallet, kinds=search.kinds, since=search.since, until=search.until, before_seq=before_seq, limit=limit)
    after, end = seqs_between(wallet, since=search.since, until=search.until)
    below = end if before_seq is None else min(before_seq, end)
    kinds = [kind for kind in search.kinds if kind in UsageKind.values]
    trails = list(_trails(wallet, search.text)) if kinds or not search.kinds else []
    page = trail_page(wallet, trails, kinds=kinds, after_seq=after, before_seq=below, limit=limit)
    # What was named exactly and lies below this page comes with the page that it belongs to.
    lowest = max(after, (page.next_before or 0) - 1)
    named = {seq for seq in _named_rows(wallet, search.text) if lowest < seq < below}
    return TransferPage(transfers_of_seqs(wallet, named.union(page.seqs), kinds=search.kinds), page.next_before)


def _trails(wallet: Wallet, text: str) -> Iterator[Trail]:
    """Agents that begin so; the other side's number, or whatever name stands in its place; the workspace's own numbers."""
    agents = [name for name in names_of(wallet, "agent") if name.casefold().startswith(text.casefold())]
    # With very many agents only some are looked through, so the very name counts in any case.
    yield from (Trail("agent", name) for name in dict.fromkeys([text, *agents[:AGENTS_FOUND_MAX]]))
    numbers = numbers_meant(text)
    yield from (Trail("number", number) for number in dict.fromkeys([text, *numbers]))
    yield from (Trail("own_number", name) for name in names_of(wallet, "own_number") if _names_own(name, text, numbers))


def _names_own(own: str, text: str, numbers: Collection[str]) -> bool:
    digits = _SEPARATORS.sub("", text).lstrip("+")
    return own == text or own in numbers or (len(digits) >= DIGITS_LEAST and digits.isdecimal() and digits in own)


def numbers_meant(text: str) -> list[str]:
    """The numbers that may be meant: with or without plus, 00 for it, or ten digits of North America."""
    plain = _SEPARATORS.sub("", text)
    if not plain.isascii() or not _PLAIN_NUMBER.fullmatch(plain):
        return []
    digits = plain.lstrip("+")
    meant = [plain, f"+{digits}"]
    if plain.startswith("00"):
        meant.append(f"+{digits[2:]}")
    return [*meant, f"+1{digits}"] if len(digits) == 10 else meant


def _named_rows(wallet: Wallet, text: str) -> set[int]:
    """The rows of what was named exactly: an entry (#12), a receipt, an event's id or key, a reference."""
    entry = _ENTRY.fullmatch(text) if text.isascii() else None
    if entry:
        return {int(entry[1])}
    found = set(seqs_of_event_id(wallet, text))
    # Disputes are posted under their id with dashes.
    names = [text, text.replace("_", "-")]
    if uuid := _uuid(text):
        found.update(seqs_of_keys(wallet, [uuid]))
        names.append(str(uuid))
    receipts = TopUp.objects.filter(wallet=wallet, receipt_number=text.upper()).values_list("pk", flat=True)
    names.extend(str(pk) for pk in receipts)
    found.update(seqs_of_idempotency_keys(wallet, [f"{begins}:{name}" for begins in POSTED_UNDER for name in names]))
    return found


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None

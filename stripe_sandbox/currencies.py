"""Which currencies there are, how they are written, and the least and most that may be charged. Pure."""

from stripe_sandbox.errors import InvalidRequest


def _codes(text: str) -> frozenset[str]:
    return frozenset(text.split())


ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
_TWO_DECIMAL = _codes(
    """usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bmd bnd bob brl bsd bwp byn bzd cad cdf chf cny cop crc cve czk dkk dop
    dzd egp etb eur fjd fkp gbp gel gip gmd gtq gyd hkd hnl htg huf idr ils inr isk jmd kes kgs khr kyd kzt lak lbp lkr lrd lsl mad mdl
    mkd mmk mnt mop mur mvr mwk mxn myr mzn nad ngn nio nok npr nzd pab pen pgk php pkr pln qar ron rsd rub sar sbd scr sek sgd shp sle
    sos srd std szl thb tjs top try ttd twd tzs uah ugx uyu uzs wst xcd yer zar zmw"""
)
SUPPORTED = ZERO_DECIMAL | THREE_DECIMAL | _TWO_DECIMAL

AMOUNT_MAX = 99_999_999
_LEAST = {"gbp": 30, "jpy": 50, "dkk": 250, "nok": 300, "sek": 300, "hkd": 400, "mxn": 1000, "czk": 1500, "huf": 17500, "pln": 200}
LEAST_DEFAULT = 50
_SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥", "aud": "A$", "cad": "CA$", "inr": "₹", "brl": "R$"}


def decimals(currency: str) -> int:
    """How many of an amount's last digits stand behind the point."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in THREE_DECIMAL else 2


def written(amount: int, *, currency: str) -> str:
    """$1,234.50, or 12.500 KWD where the currency has no sign of its own here."""
    places = decimals(currency)
    whole, rest = divmod(abs(amount), 10**places)
    figure = f"{whole:,}" + (f".{rest:0{places}d}" if places else "")
    sign = "-" if amount < 0 else ""
    return f"{sign}{_SIGNS[currency]}{figure}" if currency in _SIGNS else f"{sign}{figure} {currency.upper()}"


def check_chargeable(amount: int, *, currency: str, param: str) -> None:
    """Raises InvalidRequest where Stripe would not charge that amount."""
    if amount < 1:
        raise InvalidRequest("This value must be greater than or equal to 1.", code="parameter_invalid_integer", param=param)
    if amount > AMOUNT_MAX:
        message = f"Amount must be no more than {written(AMOUNT_MAX, currency=currency)}"
        raise InvalidRequest(message, code="amount_too_large", param=param)
    least = _LEAST.get(currency, LEAST_DEFAULT)
    if amount < least:
        message = f"Amount must be at least {written(least, currency=currency)} {currency}"
        raise InvalidRequest(message, code="amount_too_small", param=param)
    if currency in THREE_DECIMAL and amount % 10:
        raise InvalidRequest(f"Invalid amount: the last digit must be 0 in {currency}", code="invalid_charge_amount", param=param)

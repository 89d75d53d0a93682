"""Where a webhook may go: every way that is known to lead a server into its own network is closed. Row S33."""

import socket
import time
from ipaddress import ip_address
from threading import Event

import pytest

from wallet import outgoing_targets
from wallet.errors import TargetRefused, TargetSilent
from wallet.outgoing_targets import Target, addresses_of, is_open, read_target
from wallet.tests.receiver import made_up_names

# Names and numbers that mean this machine, its network, or the cloud's own services.
INSIDE = ["127.0.0.1", "127.8.8.8", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1", "100.127.255.255"]
INSIDE += ["::1", "fc00::1", "fdff::1"]
INSIDE += ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::10.0.0.1", "2002:7f00:1::", "2002:a00:1::1"]
NOBODYS = ["0.0.0.0"]  # noqa: S104 -- nothing is bound to it: nothing is sent to it
NOBODYS += ["0.1.2.3", "169.254.169.254", "169.254.1.1", "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1"]
NOBODYS += ["192.88.99.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"]
NOBODYS += ["::", "::127.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:a9fe:a9fe::"]
NOBODYS += ["fe80::1", "fec0::1", "fd00:ec2::254", "fd20:ce::254", "ff02::1", "ff0e::1", "100::1", "2001::1", "2001:db8::1", "3fff::1"]
NOBODYS += ["5f00::1", "4000::1"]
PUBLIC = [
    "93.184.215.14",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "::ffff:1.1.1.1",
    "64:ff9b::101:101",
    "2002:101:101::1",
]


@pytest.mark.parametrize("address", INSIDE + NOBODYS)
def test_it_sends_nothing_to_addresses_that_are_not_public(address: str) -> None:
    assert not is_open(ip_address(address), private_allowed=False)
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(TargetRefused, match="not public"):
        read_target(f"https://{host}/hooks", private_allowed=False)


@pytest.mark.parametrize("address", PUBLIC)
def test_it_sends_to_public_addresses(address: str) -> None:
    assert is_open(ip_address(address), private_allowed=False)


@pytest.mark.parametrize("address", INSIDE)
def test_it_sends_inside_where_the_operator_allows_it(address: str) -> None:
    assert is_open(ip_address(address), private_allowed=True)


@pytest.mark.parametrize("address", NOBODYS)
def test_it_never_sends_where_credentials_lie_or_nobody_lives(address: str) -> None:
    assert not is_open(ip_address(address), private_allowed=True)


@pytest.mark.parametrize(
    "url",
    [
        # Numbers that other programs take for 127.0.0.1.
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.1/",
        "https://0177.0.0.1/",
        "https://017700000001/",
        "https://127.1/",
        "https://127.0.1/",
        "https://127.0.0.01/",
        "https://127.0.0.1./",
        "https://example.com.0x7f/",
        "https://１２７.０.０.１/",
        "https://①②⑦.0.0.1/",
        # Other ways to write an address than one that everybody reads alike.
        "https://[::1%25lo]/",
        "https://[fe80::1%eth0]/",
        "https://[::1/",
        "https://[v1.a]/",
        "https://[1.1.1.1]/",
        "https://exa mple.com/",
        "https://example.com\t/",
        "https://example.com\n/",
        "https://example.com\\@127.0.0.1/",
        "https://example.com%2f@127.0.0.1/",
        "https://%31%32%37.0.0.1/",
        "https://bücher.example/",
        "https://example..com/",
        "https://.example.com/",
        "https://example.com./",
        "https://-example.com/",
        f"https://{'a' * 64}.com/",
        f"https://{'a.' * 130}com/",
        f"https://example.com/{'a' * 500}",
        # Credentials, fragments, ports, schemes.
        "https://user:password@example.com/",
        "https://user@example.com/",
        "https://@example.com/",
        "https://example.com/#fragment",
        "https://example.com:22/",
        "https://example.com:8443/",
        "https://example.com:80/",
        "https://example.com:0/",
        "https://example.com:99999/",
        "https://example.com:port/",
        "http://example.com/",
        "ftp://example.com/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "javascript:alert(1)",
        "//example.com/",
        "example.com/hooks",
        "https://",
        "https:///hooks",
        "",
        "https://example.com/\x00",
    ],
)
def test_it_refuses_addresses_that_are_not_plain(url: str) -> None:
    with pytest.raises(TargetRefused):
        read_target(url, private_allowed=False)


@pytest.mark.parametrize(
    "url", ["https://2130706433/", "http://0x7f000001/", "http://127.1/", "http://user@127.0.0.1/", "ftp://127.0.0.1/"]
)
def test_it_refuses_them_where_private_targets_are_allowed_too(url: str) -> None:
    with pytest.raises(TargetRefused):
        read_target(url, private_allowed=True)


@pytest.mark.parametrize(
    ("url", "target", "host_header"),
    [
        ("https://example.com", Target("https", "example.com", 443, "/"), "example.com"),
        ("HTTPS://Example.COM:443/a/b?c=d%20e", Target("https", "example.com", 443, "/a/b?c=d%20e"), "example.com"),
        ("https://xn--bcher-kva.example/?q", Target("https", "xn--bcher-kva.example", 443, "/?q"), "xn--bcher-kva.example"),
        ("https://1.1.1.1/", Target("https", "1.1.1.1", 443, "/"), "1.1.1.1"),
        ("https://[2606:4700::1111]/", Target("https", "2606:4700::1111", 443, "/"), "[2606:4700::1111]"),
        ("https://3com.example/", Target("https", "3com.example", 443, "/"), "3com.example"),
    ],
)
def test_it_takes_plain_addresses_apart(url: str, target: Target, host_header: str) -> None:
    read = read_target(url, private_allowed=False)

    assert (read, read.host_header) == (target, host_header)


@pytest.mark.parametrize(
    ("url", "host_header"),
    [("http://127.0.0.1:8000/hooks", "127.0.0.1:8000"), ("http://localhost/", "localhost"), ("https://[::1]:8443/", "[::1]:8443")],
)
def test_it_takes_http_and_other_ports_where_the_operator_allows_it(url: str, host_header: str) -> None:
    assert read_target(url, private_allowed=True).host_header == host_header


@pytest.mark.parametrize(
    "leads_to",
    [
        ["127.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["10.1.2.3"],
        ["1.1.1.1", "10.0.0.1"],
        ["2606:4700::1111", "fe80::1"],
    ],
)
def test_it_refuses_names_that_lead_inside(monkeypatch: pytest.MonkeyPatch, leads_to: list[str]) -> None:
    """One address of several is enough: which of them is taken would be up to whoever answers."""
    with made_up_names(monkeypatch) as names:
        names.lead_to["hooks.example.com"] = [leads_to]
        target = read_target("https://hooks.example.com/", private_allowed=False)

        with pytest.raises(TargetRefused) as refused:
            addresses_of(target, private_allowed=False)

    assert not any(address in str(refused.value) for address in leads_to)


def test_it_tells_names_that_lead_inside_and_names_that_are_not_there_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise whoever may add an endpoint could ask us which names the operator's own network has."""
    with made_up_names(monkeypatch) as names:
        names.lead_to |= {"db.internal.example": [["10.0.0.5"]], "no.internal.example": [[]]}
        said = []
        for name, error in (("db", TargetRefused), ("no", TargetSilent)):
            with pytest.raises(error) as refused:
                addresses_of(read_target(f"https://{name}.internal.example/", private_allowed=False), private_allowed=False)
            said.append(str(refused.value).replace(name, "…", 1))

    assert said[0] == said[1]


def test_it_waits_for_no_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stranger's may never answer."""
    end = Event()
    monkeypatch.setattr(outgoing_targets, "LOOK_UP_SECONDS_MAX", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: end.wait(timeout=30))
    begun = time.monotonic()

    with pytest.raises(TargetSilent, match="not found"):
        addresses_of(read_target("https://slow.example.com/", private_allowed=False), private_allowed=False)

    assert time.monotonic() - begun < 5
    end.set()


def test_it_answers_each_address_once_and_not_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    with made_up_names(monkeypatch) as names:
        names.lead_to["hooks.example.com"] = [["1.1.1.1", "1.1.1.1", "1.0.0.1", "8.8.8.8", "8.8.4.4"]]

        found = addresses_of(read_target("https://hooks.example.com/", private_allowed=False), private_allowed=False)

    assert found == ["1.1.1.1", "1.0.0.1", "8.8.8.8"]

"""One request to a stranger: to the address that was found, by the name that was asked for, and over within five seconds."""

import datetime as dt
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from wallet import outgoing_post
from wallet.errors import TargetSilent
from wallet.outgoing_post import BODY_BYTES_MAX, Answer, post
from wallet.outgoing_targets import Target, addresses_of, read_target
from wallet.tests.receiver import made_up_names, running_receiver

SECONDS_MAX = 0.3
"""In place of five, so that nobody waits."""
GIVEN_UP_WITHIN_SECONDS = 10
"""Far less than what a stranger takes who speaks by the byte, and enough for a busy machine."""
Talk = Callable[[socket.socket], None]
BODY = b"{}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing_post, "ANSWER_SECONDS_MAX", SECONDS_MAX)


@contextmanager
def talking(talk: Talk, *, certificate: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server that takes connections and does as it likes with each; its port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connected, _ = listening.accept()
                    with certificate.wrap_socket(connected, server_side=True) if certificate else connected as secured:
                        talk(secured)
                except OSError:
                    if listening.fileno() < 0:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            listening.close()
            thread.join(SECONDS_MAX * 4)


def saying(*pieces: bytes, every_seconds: float = 0) -> Talk:
    def talk(connected: socket.socket) -> None:
        # All of it: whoever hangs up on what was not read yet may take the answer back with it.
        asked = b""
        while not asked.endswith(BODY):
            piece = connected.recv(65536)
            if not piece:
                return
            asked += piece
        for piece in pieces:
            connected.sendall(piece)
            time.sleep(every_seconds)

    return talk


def saying_nothing(connected: socket.socket) -> None:
    """Says nothing until the other has had enough."""
    while connected.recv(65536):
        continue


def ask(port: int, *, scheme: str = "http", host: str = "hooks.example.com", addresses: tuple[str, ...] = ("127.0.0.1",)) -> Answer:
    return post(Target(scheme, host, port, "/hooks"), addresses=addresses, body=BODY, headers={"webhook-id": "evt_1"})


def test_it_posts_to_the_address_by_the_name() -> None:
    with running_receiver() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])
        answer = ask(port)

    (received,) = receiver.received
    assert (answer.status, answer.body) == (200, b"thanks")
    assert (received.path, received.body, received.headers["host"]) == ("/hooks", "{}", f"hooks.example.com:{port}")
    assert received.headers["webhook-id"] == "evt_1"


def test_it_connects_where_the_first_look_up_led_however_the_name_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: public when it is checked, private when it is connected to. There is no second look-up."""
    connected_to: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], **_: object) -> socket.socket:
        connected_to.append(address)
        raise ConnectionRefusedError

    with made_up_names(monkeypatch) as names:
        names.lead_to["hooks.example.com"] = [["1.1.1.1"], ["127.0.0.1"]]
        target = read_target("https://hooks.example.com/", private_allowed=False)
        addresses = addresses_of(target, private_allowed=False)
        monkeypatch.setattr(socket, "create_connection", connect)
        with pytest.raises(TargetSilent, match="refused"):
            post(target, addresses=addresses, body=b"{}", headers={})

    assert connected_to == [("1.1.1.1", 443)]
    assert names.looked_up == ["hooks.example.com"]


def test_it_tries_the_next_address_where_one_takes_no_connection() -> None:
    with running_receiver() as receiver:
        port = int(receiver.url.split(":")[2].split("/")[0])

        assert ask(port, addresses=("127.0.0.2", "127.0.0.1")).status == 200


def test_it_follows_no_redirect() -> None:
    with running_receiver() as elsewhere, running_receiver() as receiver:
        receiver.status, receiver.headers = 302, {"Location": elsewhere.url}
        port = int(receiver.url.split(":")[2].split("/")[0])

        assert ask(port).status == 302

    assert elsewhere.received == []


def test_it_asks_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    with running_receiver() as receiver:
        assert ask(int(receiver.url.split(":")[2].split("/")[0])).status == 200


HEAD = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("talk", "said"),
    [
        (saying_nothing, "no answer within"),
        (saying(*[b"H"] * 600, every_seconds=0.05), "no answer within"),
        (saying(HEAD, *[b"X-A: b\r\n"] * 600, every_seconds=0.05), "no answer within"),
        (saying(*[b"HTTP/1.1 100 Continue\r\n\r\n"] * 600, every_seconds=0.05), "no answer within"),
        (saying(b"SSH-2.0-OpenSSH_9.6\r\n"), "no HTTP"),
        (saying(HEAD, *[b"X: " + b"a" * 1000 + b"\r\n"] * 600), "no HTTP"),
        (saying(HEAD + b"X: " + b"a" * 100_000), "no HTTP"),
        (saying(), "cut off"),
    ],
    ids=[
        "silence",
        "status by the byte",
        "endless headers",
        "endless promises",
        "another protocol",
        "many headers",
        "a long header",
        "hang up",
    ],
)
@pytest.mark.usefixtures("impatient")
def test_it_waits_for_no_stranger(talk: Talk, said: str) -> None:
    begun = time.monotonic()

    with talking(talk) as port, pytest.raises(TargetSilent, match=said):
        ask(port)
    assert time.monotonic() - begun < GIVEN_UP_WITHIN_SECONDS


@pytest.mark.parametrize(
    "rest",
    [
        [b"Content-Length: 1000\r\n\r\n", *[b"a"] * 600],
        [b"Transfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 600],
        [b"\r\n", *[b"a"] * 600],
        [b"Content-Length: 1000\r\n\r\nshort"],
        [b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"],
    ],
)
@pytest.mark.usefixtures("impatient")
def test_it_goes_by_the_status_whatever_becomes_of_the_body(rest: list[bytes]) -> None:
    """A receiver that has said 200 has the message; it must not get it eleven times because its body never ends."""
    begun = time.monotonic()

    with talking(saying(HEAD, *rest, every_seconds=0.05)) as port:
        assert ask(port).status == 200
    assert time.monotonic() - begun < GIVEN_UP_WITHIN_SECONDS


def test_it_reads_no_more_of_a_body_than_it_must() -> None:
    with running_receiver() as receiver:
        receiver.body = b"a" * 10_000_000
        answer = ask(int(receiver.url.split(":")[2].split("/")[0]))

    assert len(answer.body) == BODY_BYTES_MAX


def test_it_says_that_nobody_listens() -> None:
    with pytest.raises(TargetSilent, match=r"^The connection was refused\.$"):
        ask(9)


# ---------------------------------------------------------------- TLS


@pytest.fixture
def certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ssl.SSLContext:
    """A server's certificate for hooks.example.com, which the product trusts in this test."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "hooks.example.com")])
    now = dt.datetime.now(dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + dt.timedelta(hours=1))
    made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
    path = tmp_path / "certificate.pem"
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    path.write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    trusting = ssl.create_default_context(cafile=path)
    monkeypatch.setattr(outgoing_post, "_tls", lambda: trusting)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server


ANSWER = HEAD + b"Content-Length: 2\r\n\r\nok"


def test_it_checks_the_certificate_against_the_name_and_not_the_address(certificate: ssl.SSLContext) -> None:
    asked_for: list[str | None] = []
    certificate.sni_callback = lambda _socket, name, _context: asked_for.append(name)

    with talking(saying(ANSWER), certificate=certificate) as port:
        assert ask(port, scheme="https") == Answer(status=200, body=b"ok")
        with pytest.raises(TargetSilent, match="certificate was refused"):
            ask(port, scheme="https", host="other.example.com")

    assert asked_for == ["hooks.example.com", "other.example.com"]


def test_it_trusts_no_certificate_that_nobody_signed(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()

    with talking(saying(ANSWER), certificate=certificate) as port, pytest.raises(TargetSilent, match="certificate was refused"):
        ask(port, scheme="https")


def test_it_speaks_to_no_one_in_the_clear_who_was_to_speak_tls() -> None:
    def answer_in_the_clear(connected: socket.socket) -> None:
        connected.recv(65536)
        connected.sendall(ANSWER)
        # Hanging up first might take the answer back.
        saying_nothing(connected)

    with talking(answer_in_the_clear) as port, pytest.raises(TargetSilent, match="no secure connection"):
        ask(port, scheme="https")


@pytest.mark.usefixtures("impatient")
def test_it_does_not_wait_for_a_handshake_for_ever() -> None:
    with talking(saying_nothing) as port, pytest.raises(TargetSilent, match="no answer within"):
        ask(port, scheme="https")

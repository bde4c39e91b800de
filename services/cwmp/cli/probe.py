"""The steps of `cwmp check` that touch the network. Each yields what it finds, or raises `Stop` with it."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, TypeAlias

import h11

from cwmp.cli.check import NOTE, OK, WRONG, Finding
from cwmp.runtime import Config
from cwmp.runtime import tls as transport_security
from cwmp.runtime.clock import date_time
from cwmp.runtime.digest import Authenticator, Credentials, parse_challenges
from cwmp.runtime.proxy import Proxy, ProxyError, Tunnel
from cwmp.runtime.url import Url

_CLOCK_MAY_DIFFER = 300.0
_MAX_ANSWER = 1 << 20
_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})  # self-signed, self-signed in the chain, no issuer found

Address: TypeAlias = tuple[Any, ...]


class Stop(Exception):
    """A step failed: those after it make no sense."""

    def __init__(self, step: str, text: str, fix: str) -> None:
        super().__init__(text)
        self.finding = Finding(step, WRONG, text, fix)


@dataclass(frozen=True, slots=True)
class Hop:
    """What is connected to: the ACS, or the proxy; `option` is where that is configured."""

    url: Url
    option: str

    def advice(self, text: str) -> str:
        return text.format(option=f"option '{self.option}'")


def dns(hop: Hop, timeout: float) -> Generator[Finding, None, list[Address]]:
    """The addresses of a host. The resolver knows no deadline, so it runs in a thread that may be left behind."""
    url, found = hop.url, list[Any]()

    def resolve() -> None:
        try:
            found.append(socket.getaddrinfo(url.host, url.port, type=socket.SOCK_STREAM))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=resolve, daemon=True)
    thread.start()
    thread.join(timeout)
    if not found:
        raise Stop("dns", f"{url.host}: no answer within {timeout:g} s", _NO_SERVER)
    if isinstance(error := found[0], OSError):
        unknown = isinstance(error, socket.gaierror) and error.errno in {socket.EAI_NONAME, socket.EAI_NODATA}
        raise Stop("dns", f"{url.host}: {error.strerror}", hop.advice(_NO_NAME if unknown else _NO_SERVER))
    addresses: list[Address] = found[0]
    yield Finding("dns", OK, f"{url.host}: {', '.join(dict.fromkeys(a[4][0] for a in addresses))}")
    return addresses


_NO_NAME = "nobody knows this name: correct {option}, or ask whoever runs the name server"
_NO_SERVER = "no name server answers: is the WAN up, and is one in /etc/resolv.conf (ifstatus wan)?"


def tcp(hop: Hop, addresses: list[Address], timeout: float) -> Generator[Finding, None, socket.socket]:
    """A connection to the first address that takes one; every one that does not is told."""
    failed = []
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            reason = f"no answer within {timeout:g} s" if isinstance(error, TimeoutError) else error.strerror
            failed.append(f"{address[0]} port {address[1]}: {reason}")
            continue
        if failed:
            yield Finding("tcp", NOTE, "; ".join(failed))
        yield Finding("tcp", OK, f"connected to {address[0]} port {address[1]}")
        return sock
    raise Stop(
        "tcp",
        "; ".join(failed),
        hop.advice("nothing listens there, or a firewall is between: check host and port of {option}"),
    )


def tunnel(proxy: Proxy, url: Url, sock: socket.socket) -> Generator[Finding, None, bool]:
    """Through the proxy to an https ACS; False where the proxy wants to be asked again on another connection."""
    asked = Tunnel(proxy, url.host, url.port)
    try:
        sock.sendall(asked.ask())
        while not (asked.open or asked.elsewhere):
            if more := asked.received(sock.recv(4096)):
                sock.sendall(more)
    except (ProxyError, OSError) as error:
        reason = getattr(error, "strerror", "") or error
        raise Stop("proxy", f"{proxy.url.authority}: {reason}", _NO_TUNNEL) from None
    if asked.open:
        yield Finding("proxy", OK, f"{proxy.url.authority} connects us to {url.authority}")
    return asked.open


_NO_TUNNEL = (
    "correct option 'http_proxy', or let its operator allow the ACS; no_proxy names what is reached directly"
)


def tls(
    url: Url, sock: socket.socket, config: Config, *, ignore_dates: bool
) -> Generator[Finding, None, socket.socket]:
    """TLS as a session does it, and the chain the ACS shows."""
    try:
        context = transport_security.client_context(
            config.ca_file,
            certificate=config.client_certificate,
            key=config.client_key,
            ignore_dates=ignore_dates,
        )
    except transport_security.TlsSetupError as error:
        raise Stop("tls", str(error), "correct the option") from None
    peer = sock.getpeername()
    try:
        encrypted = context.wrap_socket(sock, server_hostname=url.host)
    except ssl.SSLCertVerificationError as error:
        for line in _chain(url, peer, sock.gettimeout()):
            yield Finding("tls", NOTE, line)
        raise Stop(
            "tls", transport_security.failure(error), _certificate_advice(error, config, url)
        ) from None
    except OSError as error:
        raise Stop(
            "tls", transport_security.failure(error), "does the ACS speak TLS 1.2 or newer there?"
        ) from None
    certificate: Mapping[str, Any] = encrypted.getpeercert() or {}
    yield Finding("tls", OK, f"{encrypted.version()}, {_described(certificate)}")
    return encrypted


def _chain(url: Url, peer: Address, timeout: float | None) -> list[str]:
    """The certificates the ACS shows, for people: looked at over a connection of its own that carries nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection(peer[:2], timeout) as plain,
            context.wrap_socket(plain, server_hostname=url.host) as encrypted,
        ):
            get_chain = getattr(encrypted._sslobj, "get_unverified_chain", None)  # type: ignore[attr-defined]
            certificates = (get_chain and get_chain()) or []
    except OSError:
        return []
    return [f"shown: {_described(c.get_info())}" for c in certificates[:5]]


def _described(certificate: Mapping[str, Any]) -> str:
    def name(of: str) -> str:
        parts = {k: v for part in certificate.get(of, ()) for k, v in part}
        return parts.get("commonName") or parts.get("organizationName") or "(no name)"

    names = ", ".join(value for kind, value in certificate.get("subjectAltName", ()) if kind in _NAMES)
    until = f"{certificate.get('notBefore', '?')} to {certificate.get('notAfter', '?')}"
    return f"{name('subject')}{f' ({names})' if names else ''} by {name('issuer')}, {until}"


_NAMES = {"DNS", "IP Address"}


def _certificate_advice(error: ssl.SSLCertVerificationError, config: Config, url: Url) -> str:
    if error.verify_code == _NOT_YET_VALID:
        return f"the clock says {date_time(time.time())}: set it (NTP); only then renew the certificate"
    if error.verify_code == _EXPIRED:
        return f"renew the ACS's certificate, if the clock ({date_time(time.time())}) is right"
    if error.verify_code in _UNKNOWN_ISSUER:
        store = f"is not in {config.ca_file}" if config.ca_file else "is none of the system's"
        return f"its CA {store}: put the CA's certificate into a file and name it in option 'ca_file'"
    return f"the certificate must be for {url.host}: correct option 'acs_url', or the certificate"


def authenticator(url: Url, config: Config) -> Authenticator:
    """What answers the challenges of one check, over all its connections."""
    if config.username:
        return Authenticator(Credentials(config.username, config.password))
    return Authenticator(Credentials(url.username, url.password))


def http(
    url: Url, sock: socket.socket, auth: Authenticator, username: str, proxy: Proxy | None
) -> Generator[Finding, None, Url | None]:
    """An empty POST, with what the ACS asks for. Where to go on, if it is not the end: a redirect, or the same
    URL once more because the connection was closed with a challenge. `proxy` is what an http URL is handed to."""
    connection = h11.Connection(h11.CLIENT)
    asked: list[str] = []  # the challenge on this connection
    while True:
        try:
            answer = _post(url, sock, connection, auth, proxy)
        except h11.RemoteProtocolError as error:
            raise Stop("http", f"the ACS does not speak HTTP: {error!s:.200}", _NO_HTTP) from None
        except OSError as error:
            if asked:  # on the connection of the challenge; it is answered on the next as well
                yield _CLOSED
                return url
            raise Stop("http", f"no answer to a POST: {error.strerror or error}", _NO_HTTP) from None
        headers = {bytes(k).decode("latin-1"): bytes(v).decode("latin-1") for k, v in answer.headers}
        if proxy is not None and answer.status_code == 407:
            offered = [
                bytes(v).decode("latin-1") for k, v in answer.headers if bytes(k) == b"proxy-authenticate"
            ]
            try:
                proxy.challenged(offered)
            except ProxyError as error:
                raise Stop("proxy", f"{proxy.url.authority}: {error}", _NO_TUNNEL) from None
            if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
                return url
            connection.start_next_cycle()
            continue
        if answer.status_code != 401:
            break
        asked = [bytes(v).decode("latin-1") for k, v in answer.headers if bytes(k) == b"www-authenticate"]
        schemes = ", ".join(c.scheme for c in parse_challenges(asked)) or "nothing we know"
        if not username:
            raise Stop(
                "authentication", f"the ACS wants it ({schemes})", "set options 'username' and 'password'"
            )
        if not auth.challenged(asked):
            raise Stop(
                "authentication",
                f"user {username!r} was refused ({schemes})",
                "correct options 'username' and 'password': they are not what the ACS has for this device",
            )
        if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
            yield _CLOSED
            return url
        connection.start_next_cycle()
    yield from _clock(headers.get("date", ""))
    if answer.status_code in {301, 302, 307}:
        try:
            target = url.join(headers.get("location", ""))
        except ValueError as error:
            raise Stop("http", f"redirected to a bad Location: {error}", "correct it at the ACS") from None
        yield Finding("http", OK, f"redirected ({answer.status_code}) to {target}")
        return target
    if answer.status_code in {403, 404, 405, 501}:
        reason = bytes(answer.reason).decode("latin-1")
        raise Stop("http", f"the ACS answered {answer.status_code} {reason}".rstrip(), _NO_PATH)
    how = "not asked for" if auth.authorization("POST", url.target) is None else "accepted"
    yield Finding("authentication", OK, how)
    yield Finding("http", OK, f"the ACS answered {answer.status_code} to an empty POST")
    return None


_CLOSED = Finding("authentication", NOTE, "the ACS closes the connection with its challenge")
_NO_HTTP = "is it http or https? check scheme and port of option 'acs_url'"
_NO_PATH = "check the path of option 'acs_url'"


def _clock(date: str) -> Generator[Finding, None, None]:
    """Our clock against the ACS's."""
    try:
        ahead = time.time() - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    if abs(ahead) > _CLOCK_MAY_DIFFER:
        how = "ahead of" if ahead > 0 else "behind"
        yield Finding(
            "clock",
            WRONG,
            f"it is {abs(ahead) / 3600:.1f} hours {how} that of the ACS ({date})",
            "let the time be set by NTP (system.ntp), or set it: date -s",
        )


def _post(
    url: Url, sock: socket.socket, connection: h11.Connection, auth: Authenticator, proxy: Proxy | None
) -> h11.Response:
    """One exchange; the body of the response is read over."""
    headers = [("Host", url.authority), ("User-Agent", "tr069-client"), ("Content-Length", "0")]
    if authorization := auth.authorization("POST", url.target):
        headers.append(("Authorization", authorization))
    target = url.target if proxy is None else str(url)
    if proxy is not None:
        headers += proxy.headers("POST", target)
    encoded = [(name.encode(), value.encode("utf-8", "surrogateescape")) for name, value in headers]
    request = connection.send(h11.Request(method="POST", target=target, headers=encoded)) or b""
    sock.sendall(request + (connection.send(h11.EndOfMessage()) or b""))
    response: h11.Response | None = None
    length = 0
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            data = sock.recv(65536)
            if not data and response is None:
                raise OSError("the ACS closed the connection")
            connection.receive_data(data)
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            length += len(event.data)
            if length > _MAX_ANSWER:
                raise OSError("it is far too long")
        elif isinstance(event, h11.EndOfMessage) and response is not None:
            return response
        elif not isinstance(event, h11.InformationalResponse):
            raise OSError("the ACS closed the connection")

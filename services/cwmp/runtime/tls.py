"""TLS towards the ACS and file servers: always verified (TR-069a6 3.3). `ssl` is imported when first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl


class TlsSetupError(Exception):
    """The configuration of TLS cannot be used; the text says why."""


_NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, which `ssl` has no name for


def client_context(
    ca_file: str = "", *, certificate: str = "", key: str = "", ignore_dates: bool = False
) -> ssl.SSLContext:
    """TLS >= 1.2, the server's certificate checked against `ca_file` or the system's store, its name too.

    `ssl` compares host names with the certificate's DNS names (the CN only where it has none) and IP literals
    with its IP names alone, as the standard wants. `certificate` and `key` are PEM files by which the ACS knows
    us (the key may be in the file of the certificate). `ignore_dates` is for a device whose clock was never set:
    everything else about the certificate is checked all the same (3.3).

    Raises:
        TlsSetupError: a file cannot be used.
    """
    import ssl  # noqa: PLC0415  # about 2 MB that a plain http ACS does not need

    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        reason = "there are no certificates in it" if isinstance(error, ssl.SSLError) else error.strerror
        raise TlsSetupError(f"option 'ca_file': {ca_file} cannot be used: {reason}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # some builds of Python have OpenSSL overlook a cut line
    if ignore_dates:
        context.verify_flags |= _NO_CHECK_TIME
    if certificate:
        try:
            context.load_cert_chain(certificate, key or None, password="")  # never ask a terminal for one
        except OSError as error:
            reason = "it does not match, or is no PEM" if isinstance(error, ssl.SSLError) else error.strerror
            files = f"{certificate}, {key}" if key else certificate
            raise TlsSetupError(
                f"options 'client_certificate' and 'client_key': {files} cannot be used: {reason}"
            ) from None
    return context


def failure(error: BaseException) -> str:
    """Why a handshake failed, in words; looks through the causes of `error`."""
    import ssl  # noqa: PLC0415

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"the certificate was not accepted: {cause.verify_message}"
        if isinstance(cause, ssl.SSLError):
            return f"TLS failed: {cause.reason or cause}"
        cause = cause.__cause__ or cause.__context__
    return f"TLS failed: {error or type(error).__name__}"

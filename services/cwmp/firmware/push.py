"""Sending a file: HTTP PUT, or STOR of FTP (TR-069a6 A.4.1.5).

What goes wrong is a `Fault`: 9012 and 9015 as in `exchange`, everything else 9011.
"""

from __future__ import annotations

from pathlib import Path

import trio

from cwmp.contract import Fault, FaultCode
from cwmp.firmware import ftp
from cwmp.firmware.exchange import Exchange, Place
from cwmp.firmware.fetch import Means
from cwmp.firmware.http import Body, ContactError, TruncatedError

_STORED = frozenset({200, 201, 202, 204})


async def push(source: Path, target: Place, means: Means) -> int:
    """Send the file `source` to `target`; its size in bytes.

    Raises:
        Fault: it did not arrive.
    """
    try:
        with source.open("rb") as file, trio.fail_after(means.total):
            size = source.stat().st_size
            body = Body(file, size, lambda sent: means.progress(sent, size))
            if ftp.is_ftp(target.url):
                async with ftp.logged_in(target, means.network, FaultCode.UPLOAD_FAILURE) as server:
                    await server.store(body)
            else:
                await _put(target, body, means)
    except trio.TooSlowError:
        raise Fault(FaultCode.UPLOAD_FAILURE, f"the file was not sent within {means.total:g} s") from None
    except ContactError as error:
        raise Fault(FaultCode.CONTACT_FILE_SERVER, str(error)) from None
    except TruncatedError as error:
        raise Fault(FaultCode.UPLOAD_FAILURE, f"the transfer broke off: {error}") from None
    except OSError as error:
        raise Fault(FaultCode.UPLOAD_FAILURE, f"the file cannot be read: {error.strerror}") from None
    return size


async def _put(target: Place, body: Body, means: Means) -> None:
    exchange = Exchange("PUT", target, means.network, FaultCode.UPLOAD_FAILURE)
    headers = [("Content-Type", "application/octet-stream")]
    async with exchange.answered(headers, body) as (_, response):
        if response.status not in _STORED:
            raise exchange.refusal(response)

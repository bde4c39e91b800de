"""UploadDiagnostics: Device.IP.Diagnostics.UploadDiagnostics. (TR-181, TR-143)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cwmp.diagnostics import ftpload, httpload, states, throughput
from cwmp.diagnostics.definition import Definition, Input, Means, Outcome, text, unsigned
from cwmp.diagnostics.throughput import UP, measure

_TRANSFERS: Mapping[str, throughput.Transfer] = MappingProxyType(
    {"http": httpload.upload, "ftp": ftpload.upload}
)


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Upload as `inputs` say. Raises Failed where that was not possible."""
    return await measure(inputs["UploadURL"], inputs, means, UP, _TRANSFERS)


def _lacks(inputs: Mapping[str, str]) -> str:
    endless = not int(inputs["TestFileLength"]) and not int(inputs["TimeBasedTestDuration"])
    return "TestFileLength or TimeBasedTestDuration must be set first" if endless else ""


UPLOAD = Definition(
    name="UploadDiagnostics",
    path="Device.IP.Diagnostics.UploadDiagnostics.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "UploadURL": Input("", throughput.is_url(*_TRANSFERS)),
            "TestFileLength": Input("0", unsigned(0, 2**64 - 1)),
            **throughput.INPUTS,
        }
    ),
    results=MappingProxyType(
        {
            "UploadTransports": ",".join(scheme.upper() for scheme in _TRANSFERS),
            "UploadDiagnosticsMaxConnections": str(throughput.MAX_CONNECTIONS),
            "UploadDiagnosticsMaxIncrementalResult": str(throughput.MAX_INCREMENTS),
            **throughput.no_results(UP),
        }
    ),
    required=("UploadURL",),
    errors=(
        states.ERROR_CANNOT_RESOLVE,
        states.ERROR_NO_ROUTE,
        throughput.ERROR_INIT_CONNECTION_FAILED,
        throughput.ERROR_NO_RESPONSE,
        httpload.ERROR_NO_TRANSFER_COMPLETE,
        ftpload.ERROR_PASSWORD_REQUEST_FAILED,
        ftpload.ERROR_LOGIN_FAILED,
        ftpload.ERROR_NO_TRANSFER_MODE,
        ftpload.ERROR_NO_PASV,
        ftpload.ERROR_NO_CWD,
        ftpload.ERROR_NO_STOR,
        throughput.ERROR_TIMEOUT,
        states.ERROR_INTERNAL,
        states.ERROR_OTHER,
    ),
    run=run,
    lacks=_lacks,
)

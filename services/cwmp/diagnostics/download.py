"""DownloadDiagnostics: Device.IP.Diagnostics.DownloadDiagnostics. (TR-181, TR-143)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from cwmp.diagnostics import ftpload, httpload, states, throughput
from cwmp.diagnostics.definition import Definition, Input, Means, Outcome, text
from cwmp.diagnostics.throughput import DOWN, measure

_TRANSFERS: Mapping[str, throughput.Transfer] = MappingProxyType(
    {"http": httpload.download, "ftp": ftpload.download}
)


async def run(inputs: Mapping[str, str], means: Means) -> Outcome:
    """Download as `inputs` say. Raises Failed where that was not possible."""
    return await measure(inputs["DownloadURL"], inputs, means, DOWN, _TRANSFERS)


DOWNLOAD = Definition(
    name="DownloadDiagnostics",
    path="Device.IP.Diagnostics.DownloadDiagnostics.",
    inputs=MappingProxyType(
        {
            "Interface": Input("", text(256)),
            "DownloadURL": Input("", throughput.is_url(*_TRANSFERS)),
            **throughput.INPUTS,
        }
    ),
    results=MappingProxyType(
        {
            "DownloadTransports": ",".join(scheme.upper() for scheme in _TRANSFERS),
            "DownloadDiagnosticMaxConnections": str(throughput.MAX_CONNECTIONS),
            "DownloadDiagnosticsMaxIncrementalResult": str(throughput.MAX_INCREMENTS),
            **throughput.no_results(DOWN),
        }
    ),
    required=("DownloadURL",),
    errors=(
        states.ERROR_CANNOT_RESOLVE,
        states.ERROR_NO_ROUTE,
        throughput.ERROR_INIT_CONNECTION_FAILED,
        throughput.ERROR_NO_RESPONSE,
        httpload.ERROR_TRANSFER_FAILED,
        httpload.ERROR_INCORRECT_SIZE,
        ftpload.ERROR_PASSWORD_REQUEST_FAILED,
        ftpload.ERROR_LOGIN_FAILED,
        ftpload.ERROR_NO_TRANSFER_MODE,
        ftpload.ERROR_NO_PASV,
        throughput.ERROR_TIMEOUT,
        states.ERROR_INTERNAL,
        states.ERROR_OTHER,
    ),
    run=run,
)

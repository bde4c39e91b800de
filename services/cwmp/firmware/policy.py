"""Which transfers that the ACS did not ask for it wants to hear of: AutonomousTransferCompletePolicy (TR-181)."""

from __future__ import annotations

import re

from cwmp.firmware.transfer import Transfer
from cwmp.runtime.config import Config

_UPLOADS = {
    "Vendor Configuration File": "3 Vendor Configuration File",
    "Vendor Log File": "4 Vendor Log File",
}


def reportable(transfer: Transfer, config: Config) -> bool:
    """Whether the policy lets a finished autonomous transfer through."""
    if not config.autonomous_transfer_enable:
        return False
    direction = "Download" if transfer.is_download else "Upload"
    result = "Failure" if transfer.fault_code else "Success"
    return (
        config.autonomous_transfer_type in {direction, "Both"}
        and config.autonomous_transfer_result in {result, "Both"}
        and _filtered_type(transfer) in config.autonomous_transfer_file_types
    )


def _filtered_type(transfer: Transfer) -> str:
    """The type as FileTypeFilter knows it: for uploads the numbers of before they named a row."""
    if transfer.is_download:
        return transfer.file_type
    name = re.sub(r"^\d |(?<=File) \d+$", "", transfer.file_type)
    return _UPLOADS.get(name, transfer.file_type)

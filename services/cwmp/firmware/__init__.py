"""The firmware service: transfers in both directions, images, reboot and factory reset; object ``cwmp.firmware``.

`times`, `transfer` and `queue` are what is pure of it, with the theory of operation in `queue`; `validation` and
`filetypes` say what is taken, `policy` what the ACS hears of. `exchange` speaks `http` with file servers, `ftp` does
the same for FTP; on them are `fetch` and `push`. `archive`, `declared` and `configfiles` are for files other than
images. `sysupgrade` is the seam to the system that checks, flashes, restores and reboots. `worker` takes the steps,
`records` keeps them; `service` is what the other services see, `bus_object` what everybody else does. `modules` has
the software modules.
"""

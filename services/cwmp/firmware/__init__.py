"""The firmware service: transfers, images and the reboot; object ``cwmp.firmware``.

`queue` and `validation` are pure; `fetch` brings a file here over `http`; `sysupgrade` is the seam to the system
that checks, flashes and reboots; `worker` takes the steps; `service` is what others see of it.
"""

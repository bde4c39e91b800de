"""Software modules: deployment units on request of the ACS (TR-069a6 A.4.1.10, Appendix VI; TR-181 SoftwareModules).

`identity` (UUIDs), `selection` (which units an operation means) and `changes` (what was asked for and how far it is)
are pure; `catalog` keeps what only we know of units; `backend` is the seam to the system, behind which are `opkg` and
`apk` (with what they share in `packages`) and `prplos`; `worker` carries changes out; `parameters` shows it all;
`door` is what the firmware service has of it as long as nobody asks: nothing here is imported before it is needed.
"""

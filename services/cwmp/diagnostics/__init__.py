"""The diagnostics service: tests that the ACS or somebody local asks for; object ``cwmp.diagnostics``.

`states` is the state machine all tests share, `definition` what makes a test, `record` and `runner` keep and run
one, `service` puts them on the bus. One module is one test: `ipping`, `traceroute`, `nslookup`, `udpecho`,
`download`, `upload`, `serverselection`, `selftest`, `neighboringwifi`. Below them are `network` (addresses and
sockets), `icmp` and `echo` (pings), `echoplus` (TR-143's header), `throughput` with `httpload` and `ftpload`, and
`times`. `progress` tells how far a test is.
`echoserver` is no test: it answers those of others, many at a time (`batch`).
"""

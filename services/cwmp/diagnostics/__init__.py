"""The diagnostics service: tests that the ACS or somebody local asks for; object ``cwmp.diagnostics``.

`states` is the state machine all tests share, `definition` what makes a test, `runner` runs one and keeps its
parameters; one module is one test (`ipping`), on top of `icmp` (packets) and `echo` (sockets).
"""

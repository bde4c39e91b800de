"""A fleet: many virtual routers on one machine, to see what an ACS takes before a roll-out (docs/fleet.md).

| module       | what it is                                                                              | I/O     |
|--------------|-----------------------------------------------------------------------------------------|---------|
| `plan`       | what is wanted: how many routers, which ACS, how often what befalls them                | none    |
| `figures`    | what is counted: sessions, why they failed, latencies; adds up over processes           | none    |
| `accidents`  | what befalls a router and when, drawn by chance                                         | none    |
| `report`     | the live table and the report at the end, as lines or as JSON                           | none    |
| `line`       | a router's line, which can be cut                                                       | sockets |
| `router`     | one router: its files, its bus, the session and the datamodel service, its accidents    | all     |
| `worker`     | one process with its share of the routers                                               | all     |
| `supervisor` | starts the workers, gathers their figures, shows them, ends everything                  | all     |
| `acs`        | an ACS that ends each session at once, for figures of the fleet itself                  | sockets |
"""

"""The session service: the ACS session, its events, when to open one, and connection requests.

| module               | what it is                                                                     | I/O   |
|----------------------|--------------------------------------------------------------------------------|-------|
| `soap`               | messages, decoding what the ACS sends, encoding what it is sent                | none  |
| `engine`             | the session procedure: messages in, what to do next out                        | none  |
| `events`             | the queue of events the ACS has to learn of                                    | none  |
| `schedule`, `agenda` | when: periodic instants, retry windows; what is due and why                    | none  |
| `auth`, `cookies`    | Digest towards who sends connection requests; the cookies of a session         | none  |
| `http`, `tls`        | one HTTP conversation with the ACS                                             | trio  |
| `connection_request` | the listener through which the ACS asks for a session                          | trio  |
| `door`               | when that listener is open, and its URL                                        | bus   |
| `transfers`          | which results of transfers the ACS has to learn of                             | bus   |
| `rpc`                | the ACS's requests, carried out by the services that own the matter            | bus   |
| `journal`            | what survives kill -9 and power cuts                                           | flash |
| `runner`             | one session: engine, transport and RPCs joined                                 | trio  |
| `sessions`           | what a session is made of, and what is known of it afterwards                  | all   |
| `settings`           | the configuration, with what DHCP says                                         | flash |
| `parameters`         | the parameters this service owns                                               | bus   |
| `planned`, `restart` | reboots that parameters plan; when the device comes up anew                    | bus   |
| `bus_object`         | the methods on ubus; `compatibility`: those other clients have                 | bus   |
| `verbosity`          | the level all services log at                                                  | bus   |
| `service`            | the loop: when to open a session and why                                       | all   |
"""

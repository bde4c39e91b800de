'use strict';
'require baseclass';

/* What to look at when a session failed, by the words of its error. The first that fits counts. */

const ADVICE = [
	[ /cannot resolve/, _('The name of the ACS cannot be looked up. Check the ACS URL for a mistyped name, and whether the router has a working DNS server.') ],
	[ /refused/, _('Nothing listens at the address of the ACS. Check the port in the ACS URL, and whether the ACS is running.') ],
	[ /unreachable|no route/i, _('There is no route to the ACS. Check the Internet connection of this router.') ],
	[ /\bclock\b|not yet valid|expired/, _('The certificate of the ACS is not valid at the time that this router\'s clock shows. Check the clock and the NTP servers.') ],
	[ /certificate|tls|ssl/i, _('The secure connection cannot be made. Check the CA file, and that the ACS URL has the name its certificate was made for.') ],
	[ /401|authentication|credentials/i, _('The ACS does not accept this router. Check user name and password in the settings.') ],
	[ /within \d|timed? ?out/i, _('The ACS does not answer in time. Check the Internet connection, and whether a firewall drops the packets.') ],
	[ /answered [45]\d\d/, _('The ACS refused the session. Its operator finds the reason in the log of the ACS.') ],
	[ /no CWMP message|does not speak HTTP/, _('What answers at the ACS URL is no ACS. Check the URL, its path included.') ],
	[ /state cannot be written/, _('The flash memory is full or write-protected.') ],
	[ /Inform cannot be made/, _('The data model service did not give what the session begins with. Check that it is running.') ]
];

return baseclass.extend({
	/* A sentence, or '' */
	about: error => (ADVICE.find(([ pattern ]) => pattern.test(error)) ?? [])[1] ?? ''
});

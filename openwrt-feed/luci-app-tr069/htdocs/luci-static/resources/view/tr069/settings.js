'use strict';
'require view';
'require form';
'require uci';
'require tr069.page as page';

/*
 * Every option of /etc/config/cwmp. What is allowed is what the services take: they use the default in place of a
 * wrong value, and say so in the log.
 */

const text = limit => value => value.length <= limit || _('Use at most %d characters.').format(limit);

const matching = (pattern, advice) => value => value == '' || pattern.test(value) || advice;

const whole = (low, high) => value => value == '' || (/^\d{1,10}$/.test(value) && +value >= low && +value <= high) ||
	_('Use a whole number from %d to %d.').format(low, high);

const url = value => value == '' || (value.length <= 2048 && /^https?:\/\/[^\s/?#]+\S*$/i.test(value)) ||
	_('Use a URL that begins with http:// or https://.');

/* Several values in one field, between commas. */
const items = (pattern, advice) => value => value == '' || value.split(',').every(item => pattern.test(item.trim())) || advice;

const dateTime = matching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/, _('Use a date and time like 2026-01-31T03:00:00Z.'));

const GROUPS = [
	[ 'acs', _('ACS'), _('The server that manages this router, and how this router logs in to it.') ],
	[ 'schedule', _('Schedule'), _('When this router calls the ACS by itself, and when it tries again.') ],
	[ 'report', _('Reports'), _('What the ACS is told of without having asked; it may change most of this.') ],
	[ 'request', _('Connection request'), _('How the ACS asks this router to call it. Without user name and password nobody is let in.') ],
	[ 'device', _('Device'), _('What this router tells the ACS that it is. Empty: what the firmware knows.') ],
	[ 'service', _('Service'), _('How the services themselves run.') ]
];

/* group, option, kind, title, help; then what else there is to say of it */
const OPTIONS = [
	[ 'acs', 'enable', 'flag', _('Enabled'), _('Let the ACS manage this router.'), { initial: '1' } ],
	[ 'acs', 'acs_url', 'value', _('ACS URL'), _('As in https://acs.example.com/. After a change this router introduces itself anew.'), { validate: url } ],
	[ 'acs', 'discovery', 'flag', _('Discovery'), _('Take the ACS URL from the provider\'s DHCP server while none is entered here.'), { initial: '1' } ],
	[ 'acs', 'username', 'value', _('User name'), _('For the ACS.'), { validate: text(256) } ],
	[ 'acs', 'password', 'secret', _('Password'), _('For the ACS.'), { validate: text(256) } ],
	[ 'acs', 'ca_file', 'value', _('CA file'), _('Certificates (PEM) that the certificate of the ACS must come from. Empty: those of the system.'), { validate: text(256) } ],
	[ 'acs', 'client_certificate', 'value', _('Client certificate'), _('A file (PEM) that this router shows to an ACS which asks for a certificate.'), { validate: text(256) } ],
	[ 'acs', 'client_key', 'value', _('Client key'), _('The file (PEM) with the key of the client certificate. Empty: in the same file.'), { validate: text(256) } ],
	[ 'acs', 'provisioning_code', 'value', _('Provisioning code'), _('What the operator calls the kind of service; the ACS may change it.'), { validate: text(64) } ],

	[ 'schedule', 'periodic_inform_enable', 'flag', _('Periodic Inform'), _('Call the ACS in regular intervals.'), { initial: '1' } ],
	[ 'schedule', 'periodic_inform_interval', 'value', _('Interval'), _('Seconds from one call to the next.'), { validate: whole(1, 4294967295), placeholder: '86400' } ],
	[ 'schedule', 'periodic_inform_time', 'value', _('Reference time'), _('A time that calls are to fall on, whole intervals away, such as 2026-01-31T03:00:00Z. The year 0001: any.'), {
		validate: dateTime, placeholder: '0001-01-01T00:00:00Z' } ],
	[ 'schedule', 'retry_minimum_wait_interval', 'value', _('First wait after a failure'), _('Seconds, at least.'), { validate: whole(1, 65535), placeholder: '5' } ],
	[ 'schedule', 'retry_interval_multiplier', 'value', _('Growth of the wait'), _('By how much the wait grows with each failure, in thousandths: 2000 doubles it.'), { validate: whole(1000, 65535), placeholder: '2000' } ],

	[ 'schedule', 'default_active_notification_throttle', 'value', _('Pause between notifications'), _('Seconds that changes of parameters are collected before the ACS is called for them.'), { validate: whole(0, 4294967295), placeholder: '0' } ],
	[ 'schedule', 'notification_poll_interval', 'value', _('Looking for changes'), _('Seconds from one look at the parameters that the ACS wants to hear of to the next.'), { validate: whole(1, 86400), placeholder: '30' } ],

	[ 'report', 'heartbeat_enable', 'flag', _('Heartbeat'), _('Call the ACS in regular intervals with nothing but a sign of life.'), { initial: '0' } ],
	[ 'report', 'heartbeat_interval', 'value', _('Interval'), _('Seconds from one heartbeat to the next.'), { validate: whole(30, 4294967295), placeholder: '300' } ],
	[ 'report', 'heartbeat_time', 'value', _('Reference time'), _('The time that heartbeats are counted from. The year 0001: any.'), { validate: dateTime, placeholder: '0001-01-01T00:00:00Z' } ],
	[ 'report', 'autonomous_transfer_enable', 'flag', _('Transfers'), _('Tell the ACS of transfers that it did not ask for.'), { initial: '0' } ],
	[ 'report', 'autonomous_transfer_type', 'list', _('Direction of transfers'), _('Of those that went this way.'), { choices: [ 'Both', 'Upload', 'Download' ], initial: 'Both' } ],
	[ 'report', 'autonomous_transfer_result', 'list', _('Result of transfers'), _('Of those that ended like this.'), { choices: [ 'Both', 'Success', 'Failure' ], initial: 'Both' } ],
	[ 'report', 'autonomous_transfer_file_types', 'value', _('File types'), _('Of these types of file, with commas between them. Empty: of none.'), { items: true,
		validate: items(/^(1 Firmware Upgrade Image|2 Web Content|3 Vendor Configuration File|4 Vendor Log File|X [0-9A-F]{6} .*)$/, _('Use file types like 1 Firmware Upgrade Image.')) } ],
	[ 'report', 'du_state_change_enable', 'flag', _('Software'), _('Tell the ACS of software (deployment units) that changed without it.'), { initial: '0' } ],
	[ 'report', 'du_state_change_operations', 'value', _('Changes of software'), _('Install, Update, Uninstall, with commas between them. Empty: none.'), { items: true,
		validate: items(/^(Install|Update|Uninstall)$/, _('Use Install, Update, Uninstall.')) } ],
	[ 'report', 'du_state_change_result', 'list', _('Result of changes'), _('Of those that ended like this.'), { choices: [ 'Both', 'Success', 'Failure' ], initial: 'Both' } ],
	[ 'report', 'du_state_change_faults', 'value', _('Faults of changes'), _('The fault codes of failed changes to tell of, with commas between them. Empty: of none.'), { items: true,
		validate: items(/^9\d{3}$/, _('Use fault codes like 9015.')) } ],

	[ 'request', 'connection_request_enable', 'flag', _('Enabled'), _('Listen for connection requests.'), { initial: '1' } ],
	[ 'request', 'connection_request_username', 'value', _('User name'), _('That the ACS must give.'), { validate: text(256) } ],
	[ 'request', 'connection_request_password', 'secret', _('Password'), _('That the ACS must give.'), { validate: text(256) } ],
	[ 'request', 'connection_request_address', 'value', _('Address'), _('To listen at. Empty: every address.'), { validate: text(256) } ],
	[ 'request', 'connection_request_port', 'value', _('Port'), _('0: any free one.'), { validate: whole(0, 65535), placeholder: '7547' } ],
	[ 'request', 'connection_request_path', 'value', _('Path'), _('In the URL that the ACS is told. Empty: a random one.'), {
		validate: matching(/^[A-Za-z0-9._~/-]{0,128}$/, _('Use up to 128 letters, digits and . _ ~ / -')) } ],
	[ 'request', 'udp_connection_request_port', 'value', _('UDP port'), _('For an ACS that asks by UDP. 0: none.'), { validate: whole(0, 65535), placeholder: '7547' } ],
	[ 'request', 'stun_enable', 'flag', _('STUN'), _('Keep the UDP port reachable through a NAT in front of this router.'), { initial: '0' } ],
	[ 'request', 'stun_server_address', 'value', _('STUN server'), _('Empty: the host of the ACS.'), {
		validate: matching(/^[^\s/]{0,256}$/, _('Use a host name or an address.')) } ],
	[ 'request', 'stun_server_port', 'value', _('STUN port'), '', { validate: whole(0, 65535), placeholder: '3478' } ],
	[ 'request', 'stun_username', 'value', _('STUN user name'), '', { validate: text(256) } ],
	[ 'request', 'stun_password', 'secret', _('STUN password'), '', { validate: text(256) } ],
	[ 'request', 'stun_minimum_keep_alive_period', 'value', _('Keep-alive, at least'), _('Seconds between messages to the STUN server.'), { validate: whole(0, 4294967295), placeholder: '30' } ],
	[ 'request', 'stun_maximum_keep_alive_period', 'value', _('Keep-alive, at most'), _('Seconds; -1: as long as the NAT remembers this router.'), {
		validate: value => value == '-1' || whole(0, 2147483647)(value), placeholder: '-1' } ],

	[ 'device', 'manufacturer', 'value', _('Manufacturer'), '', { validate: text(64) } ],
	[ 'device', 'manufacturer_oui', 'value', _('Manufacturer OUI'), _('Six upper-case hexadecimal digits.'), {
		validate: matching(/^[0-9A-F]{6}$/, _('Use six upper-case hexadecimal digits.')) } ],
	[ 'device', 'product_class', 'value', _('Product class'), '', { validate: text(64) } ],
	[ 'device', 'serial_number', 'value', _('Serial number'), _('With OUI and product class, what the ACS knows this router by.'), { validate: text(64) } ],

	[ 'service', 'interface', 'value', _('Interface'), _('The network interface that leads to the ACS; its address goes into the connection request URL.'), {
		validate: matching(/^[A-Za-z0-9_.-]{1,64}$/, _('Use the name of a network interface.')), placeholder: 'wan' } ],
	[ 'service', 'upgrade_keep_settings', 'flag', _('Upgrades keep settings'), _('Off: a firmware upgrade drops all settings but those for the ACS.'), { initial: '1' } ],
	[ 'service', 'web_content', 'value', _('Web content'), _('The directory whose content the ACS may replace. Empty: none.'), {
		validate: matching(/^(\/[A-Za-z0-9._-]*[A-Za-z0-9_-]){0,16}$/, _('Use an absolute path, of letters, digits and . _ -')) } ],
	[ 'service', 'rollback_timeout', 'value', _('Rollback'), _('Seconds within which the ACS must be reached again after a change that may cut it off; else the change is taken back. 0: never.'), { validate: whole(0, 86400), placeholder: '180' } ],
	[ 'service', 'session_timeout', 'value', _('Session time limit'), _('Seconds without a word from the ACS.'), { validate: whole(30, 3600), placeholder: '60' } ],
	[ 'service', 'http_timeout', 'value', _('HTTP time limit'), _('Seconds for each connection and each answer.'), { validate: whole(30, 3600), placeholder: '60' } ],
	[ 'service', 'http_compression', 'list', _('HTTP compression'), _('How requests are compressed; an ACS that refuses it gets them plain.'), { choices: [ 'Disabled', 'GZIP', 'Deflate' ], initial: 'Disabled' } ],
	[ 'service', 'http_proxy', 'value', _('HTTP proxy'), _('For the ACS and for file servers, as in http://user:password@proxy.example.com:3128/.'), {
		validate: matching(/^http:\/\/[^\s/?#]*[^\s/?#@]\/?$/i, _('Use a URL like http://user:password@host:port/')) } ],
	[ 'service', 'no_proxy', 'value', _('Without proxy'), _('Hosts, addresses and networks that are reached directly.'), { validate: text(1024) } ],
	[ 'service', 'log_level', 'list', _('Log'), _('How much is logged; read it with logread | grep cwmp.'), { choices: [ 'debug', 'info', 'warning', 'error' ], initial: 'info' } ],
	[ 'service', 'compatibility', 'flag', _('Object tr069'), _('Offer the ubus object tr069 with the methods of other clients.'), { initial: '0' } ]
];

const KINDS = { flag: form.Flag, value: form.Value, secret: form.Value, list: form.ListValue };

/* A switch as the services read it: any of UCI's words, and the default for what is none. */
function flagValue(value, initial) {
	if (value == null)
		return null;

	return /^(1|true|yes|on|enabled)$/.test(value) ? '1' : /^(0|false|no|off|disabled)$/.test(value) ? '0' : initial;
}

/* The services read the first section of the type, whatever its name. */
function firstSection() {
	return (uci.sections('cwmp', 'cwmp')[0] ?? {})['.name'];
}

function declare(section, [ group, option, kind, title, help, more ]) {
	const o = section.taboption(group, KINDS[kind], option, title, help);

	o.rmempty = true;
	o.placeholder = more.placeholder;

	if (kind == 'secret')
		o.password = true;

	if (kind == 'list') {
		more.choices.forEach(choice => o.value(choice));
		o.default = more.initial;
	}

	if (kind == 'flag') {
		o.default = more.initial;
		o.rmempty = false;
		o.cfgvalue = id => flagValue(uci.get('cwmp', id, option), more.initial);
	}

	if (more.items) {
		o.cfgvalue = id => [].concat(uci.get('cwmp', id, option) ?? []).join(', ');
		o.write = (id, value) => uci.set('cwmp', id, option, value.split(',').map(item => item.trim()));
	}

	if (more.validate)
		o.validate = (_section, value) => more.validate(value ?? '');
}

return view.extend({
	load() {
		return uci.load('cwmp').then(() => null, error => error);
	},

	render(error) {
		const intro = _('The file /etc/config/cwmp. An empty field means the default, which it shows in grey.');

		if (error) {
			this.handleSaveApply = this.handleSave = this.handleReset = null;
			return page.frame(_('Settings'), intro, [
				page.alert('danger', _('The configuration cannot be read: the file /etc/config/cwmp is missing or damaged.')),
				E('p', [ E('small', [ error.message ]) ])
			]);
		}

		if (!firstSection())
			uci.add('cwmp', 'cwmp', 'cwmp');

		const map = new form.Map('cwmp', _('Settings'), intro);
		const section = map.section(form.NamedSection, firstSection(), 'cwmp');

		section.addremove = false;
		GROUPS.forEach(([ name, title, help ]) => section.tab(name, title, help));
		OPTIONS.forEach(option => declare(section, option));

		return map.render();
	}
});

'use strict';
'require view';
'require dom';
'require tr069.advice as advice';
'require tr069.bus as bus';
'require tr069.page as page';

/* Whether the ACS reaches this router, and why not: what a technician sees first. */

const IDENTITY = [ 'Manufacturer', 'ManufacturerOUI', 'ProductClass', 'SerialNumber', 'SoftwareVersion', 'ProvisioningCode' ];

const STEPS = {
	preparing: _('the Inform is being made'),
	connecting: _('connecting'),
	running: _('the ACS is at work')
};

const FINDINGS = {
	ok: { text: _('fine'), label: 'success' },
	WRONG: { text: _('wrong'), label: 'important' },
	note: { text: _('note'), label: 'warning' }
};

/* {light: good, fair, bad or off; headline, text, error} */
function verdict({ data, trouble }) {
	if (trouble)
		return { light: 'bad', headline: _('The router cannot be managed now'), text: trouble.message };

	const last = data.last_session ?? {};

	if (data.state == 'disabled')
		return { light: 'off', headline: _('TR-069 is switched off'), text: _('Switch it on in the settings.') };
	if (data.state == 'waiting for URL')
		return { light: 'fair', headline: _('No ACS is configured'), text: _('Enter the ACS URL in the settings.') };
	if (data.session != 'idle')
		return { light: 'fair', headline: _('A session with the ACS is open'), text: STEPS[data.session] ?? data.session };
	if (last.result == 'success')
		return { light: 'good', headline: _('The ACS and this router reach each other'), text: _('The last session ended in success.') };
	if (last.result == 'failure')
		return { light: 'bad', headline: _('The last session with the ACS failed'), text: advice.about(last.error), error: last.error };

	return { light: 'fair', headline: _('There was no session with the ACS yet'), text: '' };
}

function lamps(light) {
	const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');

	svg.setAttribute('class', 'tr069-lamps');
	svg.setAttribute('viewBox', '0 0 24 64');
	svg.setAttribute('width', '27');
	svg.setAttribute('height', '72');
	svg.setAttribute('aria-hidden', 'true');

	[ 'bad', 'fair', 'good' ].forEach((lamp, i) => {
		const circle = document.createElementNS('http://www.w3.org/2000/svg', 'circle');
		circle.setAttribute('cx', 12);
		circle.setAttribute('cy', 11 + 21 * i);
		circle.setAttribute('r', 9);
		circle.setAttribute('class', lamp == light ? 'on' : '');
		svg.appendChild(circle);
	});

	return svg;
}

function sessionRows(data) {
	const last = data.last_session ?? {}, next = data.next_session ?? {}, statistics = data.statistics ?? {};
	const results = {
		none: _('none yet'),
		running: page.label('notice', _('running')),
		success: page.label('success', _('success')),
		failure: page.label('important', _('failure'))
	};
	const took = Math.round((Date.parse(last.end) - Date.parse(last.start)) / 1000);

	return [
		[ _('ACS'), data.acs_url || '–' ],
		[ _('Last session'), [ results[last.result] ?? String(last.result), ' ', last.start ? page.time(last.start) : '', took >= 1 ? _(', took %s').format(page.span(took)) : '' ] ],
		[ _('Next session'), [ next.time ? page.time(next.time) : '–', next.why ? ', %s'.format(next.why) : '' ] ],
		[ _('Events to be delivered'), data.pending_events?.length ? data.pending_events.flatMap(event => [ page.label('notice', event), ' ' ]) : _('none') ],
		[ _('Failed tries since the last success'), String(data.retry_count ?? 0) ],
		[ _('Sessions since the service started'), _('%d, of which %d failed').format(statistics.sessions, statistics.failure) ],
		[ _('Connection requests'), _('%d accepted').format(statistics.connection_requests) ],
		[ _('Connection request URL'), data.connection_request_url || _('none: connection requests are not listened for') ],
		[ _('Connection requests by UDP'), data.udp_connection_request_address || _('none: connection requests are not listened for') ]
	];
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		bus.patience();

		return Promise.all([
			bus.settled(bus.status()),
			bus.settled(bus.get(IDENTITY.map(name => 'Device.DeviceInfo.%s'.format(name)))),
			bus.settled(bus.modelStatus())
		]);
	},

	render([ status, identity, model ]) {
		this.light = E('div', { 'role': 'status' });
		this.session = E('div');
		this.device = E('div');
		this.findings = E('div', { 'role': 'status' });
		this.show(status);
		this.showDevice(identity, model);
		bus.every(5, () => this.refresh());

		return page.frame(_('TR-069'), _('Remote management of this router by the ACS of its operator (CWMP).'), [
			this.light,
			bus.mayWrite() ? page.section(_('Connection test'), [
				E('div', { 'class': 'tr069-tools' }, [
					page.button('neutral', _('Test the connection'), () => this.check(), { 'id': 'tr069-check' }),
					E('span', { 'class': 'count' }, [ _('Configuration, clock, name, address, certificate and password, one after the other; no session is opened.') ])
				]),
				this.findings
			]) : '',
			page.section(_('Sessions'), [ this.session ]),
			page.section(_('What the ACS knows this router by'), [ this.device ])
		]);
	},

	refresh() {
		return bus.settled(bus.status()).then(async status => {
			const back = status.data && this.wasDown;

			this.show(status);

			if (back)
				this.showDevice(...(await this.load()).slice(1));
		});
	},

	show(status) {
		const { light, headline, text, error } = verdict(status);

		this.wasDown = !status.data;
		dom.content(this.light, [
			E('div', { 'class': 'tr069-light %s'.format(light), 'data-light': light }, [
				lamps(light),
				E('div', { 'class': 'tr069-light-text' }, [
					E('h3', [ headline ]),
					text ? E('p', [ text ]) : '',
					error ? E('p', { 'class': 'error' }, [ error ]) : ''
				]),
				bus.mayWrite() ? page.button('action', _('Inform now'), () => this.inform(), { 'id': 'tr069-inform' }) : ''
			])
		]);

		dom.content(this.session, status.data
			? page.facts(sessionRows(status.data))
			: E('p', [ _('Nothing is known while the service does not run.') ]));
	},

	showDevice(identity, model) {
		const values = new Map((identity.data ?? []).map(row => [ row.name.split('.').pop(), row.value ]));
		const problems = model.data?.problems ?? [], pending = model.data?.pending ?? [];
		const rows = IDENTITY.filter(name => values.has(name)).map(name => [ name, values.get(name) || '–' ]);

		if (model.data)
			rows.push([ 'ParameterKey', model.data.parameter_key || '–' ]);
		if (pending.length)
			rows.push([ _('Changed, to be applied'), pending.join(', ') ]);

		dom.content(this.device, [
			identity.trouble ? page.alert('warning', identity.trouble.message) : '',
			rows.length ? page.facts(rows) : '',
			...problems.map(problem => page.alert('warning', problem))
		]);
	},

	async check() {
		dom.content(this.findings, [ E('em', { 'class': 'spinning' }, [ _('Testing…') ]) ]);

		try {
			dom.content(this.findings, [ page.facts((await bus.check()).map(({ step, result, text, fix }) => [ step, [
				page.label(FINDINGS[result]?.label ?? 'notice', FINDINGS[result]?.text ?? result), ' ', text,
				fix ? E('p', [ E('strong', [ _('What to do:') ]), ' ', fix ]) : ''
			] ])) ]);
		}
		catch (trouble) {
			dom.content(this.findings, [ page.alert('danger', trouble.message) ]);
		}
	},

	async inform() {
		try {
			const reply = await bus.inform();
			page.notify(reply.accepted ? 'success' : 'warning', reply.accepted
				? _('A session with the ACS begins.') : _('There will be no session: %s').format(reply.info));
		}
		catch (trouble) {
			page.notify('danger', trouble.message);
		}

		await this.refresh();
	}
});

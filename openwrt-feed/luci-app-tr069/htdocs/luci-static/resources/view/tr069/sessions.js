'use strict';
'require view';
'require dom';
'require tr069.advice as advice';
'require tr069.bus as bus';
'require tr069.page as page';

/*
 * What was said in the last sessions: each RPC with the time its answer took, one below the other as they came, and
 * on demand the messages themselves, which the service keeps only while it is told to, and without secrets.
 */

const RESULTS = {
	running: { text: _('running'), label: 'notice' },
	success: { text: _('success'), label: 'success' },
	failure: { text: _('failure'), label: 'important' }
};

function duration(session) {
	const took = Date.parse(session.end) - Date.parse(session.start);
	return isNaN(took) ? '' : took >= 1000 ? page.span(Math.round(took / 1000)) : _('less than a second');
}

/* The RPCs as bars, each beginning where the one before it ended. */
function waterfall(session) {
	const calls = session.calls ?? [];
	const total = Math.max(1, calls.reduce((sum, call) => sum + call.ms, 0));
	let before = 0;

	return E('div', { 'class': 'tr069-waterfall', 'role': 'list' }, calls.map(call => {
		const from = before * 100 / total, width = Math.max(0.5, call.ms * 100 / total);

		before += call.ms;
		return E('div', { 'role': 'listitem', 'class': call.fault ? 'failed' : call.by == 'acs' ? 'acs' : 'cpe' }, [
			E('span', { 'class': 'method' }, [ call.method ]),
			E('span', { 'class': 'lane' }, [ E('span', { 'style': 'margin-left: %s%%; width: %s%%'.format(Math.min(from, 99.5).toFixed(2), width.toFixed(2)) }) ]),
			E('span', { 'class': 'took' }, [ _('%d ms').format(call.ms) ]),
			call.fault ? E('span', { 'class': 'fault' }, [ call.fault ]) : ''
		]);
	}));
}

function asText(message) {
	return [ '%s %s'.format(message.time, message.direction), message.start, ...message.headers, '', message.body, '' ].join('\n');
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		return Promise.all([ bus.settled(bus.history()), bus.mayWrite() ? bus.settled(bus.trace()) : {} ]);
	},

	render([ history, trace ]) {
		this.list = E('div');
		this.messages = [];
		this.last = 0;
		this.recording = trace.data?.enabled == true;
		this.show(history);
		bus.every(5, () => this.refresh());

		return page.frame(_('Sessions'), _('The last sessions with the ACS since the service started, the newest first.'), [
			this.list,
			bus.mayWrite() ? this.tracing() : ''
		]);
	},

	async refresh() {
		this.show(await bus.settled(bus.history()));

		if (this.recording)
			await this.fetch();
	},

	show({ data, trouble }) {
		const said = JSON.stringify(data ?? trouble.message);

		if (said == this.said) /* what somebody has opened or selected is left alone */
			return;

		const open = new Set([ ...this.list.querySelectorAll('details[open]') ].map(node => node.dataset.start));

		this.said = said;

		if (trouble) {
			dom.content(this.list, [ page.alert('danger', trouble.message) ]);
			return;
		}

		const sessions = [ ...data.sessions ?? [] ].reverse();

		dom.content(this.list, sessions.length
			? sessions.map((session, i) => this.session(session, open.size ? open.has(session.start) : i == 0))
			: [ E('p', [ E('em', [ _('There was no session yet.') ]) ]) ]);
	},

	session(session, open) {
		const { text, label } = RESULTS[session.result] ?? { text: session.result, label: '' };
		const count = (session.calls?.length ?? 0) + (session.more_calls ?? 0);

		return E('details', { 'class': 'tr069-session', 'data-start': session.start, 'open': open ? '' : null }, [
			E('summary', [
				page.label(label, text), ' ',
				E('strong', [ page.time(session.start) ]), ' ',
				E('span', [ [ session.events?.join(', '), _('RPCs: %d').format(count), duration(session) ].filter(text => text).join(' · ') ])
			]),
			session.error ? E('p', { 'class': 'error' }, [ session.error ]) : '',
			session.error && advice.about(session.error) ? E('p', [ advice.about(session.error) ]) : '',
			waterfall(session),
			session.more_calls > 0 ? E('p', [ _('and %d more').format(session.more_calls) ]) : '',
			E('p', [ E('small', [ _('Begun because: %s').format(session.why || '–'), session.version ? ' · CWMP %s'.format(session.version) : '' ]) ])
		]);
	},

	/* The messages */

	tracing() {
		this.trouble = E('div');
		this.found = E('div');
		this.count = E('span', { 'class': 'count', 'role': 'status' });
		this.record = page.button('action', '', () => this.toggle(), { 'id': 'tr069-record' });
		this.field = E('input', {
			'type': 'search', 'id': 'tr069-messages', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false',
			'placeholder': _('Search in the messages'), 'aria-label': _('Search in the messages'), 'input': () => this.draw()
		});
		this.draw();

		if (this.recording)
			this.fetch();

		return page.section(_('Messages'), [
			E('p', [ _('While recording is on, the service keeps the last messages to and from the ACS in memory; passwords and the like are left out.') ]),
			E('div', { 'class': 'tr069-tools' }, [
				this.record,
				this.field,
				page.button('neutral', _('Download'), () => this.download(), { 'id': 'tr069-download' }),
				this.count
			]),
			this.trouble,
			this.found
		]);
	},

	async attempt(task) {
		try {
			await task();
			dom.content(this.trouble, []);
		}
		catch (trouble) {
			dom.content(this.trouble, [ page.alert('danger', trouble.message) ]);
		}

		this.draw();
	},

	toggle() {
		return this.attempt(async () => {
			this.recording = (await bus.trace(!this.recording)).enabled == true;
		});
	},

	fetch() {
		return this.attempt(async () => {
			for (let more = true; more; ) {
				const reply = await bus.traced(this.last);

				if (reply.last < this.last) /* the service was restarted and counts anew */
					this.messages = [];

				this.messages.push(...reply.messages ?? []);
				more = reply.more == true && reply.last > this.last;
				this.last = reply.last;
				this.recording = reply.enabled == true;
			}

			this.messages.splice(0, this.messages.length - 200);
		});
	},

	matching() {
		const words = this.field.value.toLowerCase();
		return this.messages.filter(message => asText(message).toLowerCase().includes(words));
	},

	draw() {
		const found = this.matching();
		const open = new Set([ ...this.found.querySelectorAll('details[open]') ].map(node => node.dataset.number));

		dom.content(this.record, [ this.recording ? _('Stop recording') : _('Record') ]);
		this.record.setAttribute('aria-pressed', this.recording);
		dom.content(this.count, [ _('%d of %d messages').format(found.length, this.messages.length) ]);
		dom.content(this.found, found.map(message => E('details', {
			'class': 'tr069-message', 'data-number': message.number, 'open': open.has(String(message.number)) ? '' : null
		}, [
			E('summary', [ message.direction == 'sent' ? '→ ' : '← ', message.start, ' ', E('small', [ page.time(message.time) ]) ]),
			E('pre', [ [ ...message.headers, '', message.body ].join('\n') ])
		])));
	},

	download() {
		const url = URL.createObjectURL(new Blob([ this.matching().map(asText).join('\n') ], { type: 'text/plain' }));

		E('a', { 'href': url, 'download': 'tr069-messages.txt' }).click();
		URL.revokeObjectURL(url);
	}
});

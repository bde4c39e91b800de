'use strict';
'require view';
'require dom';
'require validation';
'require tr069.bus as bus';
'require tr069.chart as chart';
'require tr069.other as other';
'require tr069.page as page';

/*
 * Tests from this router, run by the service that also runs them for the ACS. A ping of n packets is n tests of one
 * packet, so that each result is seen when it comes and a stop is a stop.
 */

const PAUSE = 1000;
const MOST = 100;

const FIELDS = [
	{ name: 'Host', title: _('Host'), value: '', placeholder: _('name or address'), datatype: 'host', required: true },
	{ name: 'Repetitions', title: _('Packets'), value: '10', datatype: 'range(1,%d)'.format(MOST), required: true },
	{ name: 'ProtocolVersion', title: _('Protocol'), value: 'Any', choices: [ 'Any', 'IPv4', 'IPv6' ] },
	{ name: 'DataBlockSize', title: _('Size (bytes)'), value: '56', datatype: 'range(1,65535)', required: true },
	{ name: 'Timeout', title: _('Time limit (ms)'), value: '1000', datatype: 'range(1,10000)', required: true },
	{ name: 'DSCP', title: _('DSCP'), value: '0', datatype: 'range(0,63)', required: true },
	{ name: 'Interface', title: _('Interface'), value: '', placeholder: _('any; or as in Device.IP.Interface.1'), datatype: 'maxlength(256)' }
];

const ENDS = {
	None: _('No test was asked for yet.'),
	Requested: _('A test is running or waiting.'),
	Complete: _('The test was made.'),
	Canceled: _('The test was cancelled.'),
	Error_CannotResolveHostName: _('The host name cannot be resolved.'),
	Error_NoRouteToHost: _('There is no route to the host.'),
	Error_Internal: _('The test cannot be made on this router.'),
	Error_Other: _('The test failed.')
};

const ms = us => '%s ms'.format(chart.shown(us / 1000));

function field(about) {
	const id = 'tr069-%s'.format(about.name);
	const input = about.choices
		? E('select', { 'id': id, 'class': 'cbi-input-select' }, about.choices.map(choice => E('option', { 'value': choice }, [ choice ])))
		: E('input', {
			'id': id, 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false',
			'placeholder': about.placeholder ?? null, 'inputmode': /^range/.test(about.datatype) ? 'numeric' : 'text', 'aria-describedby': '%s-error'.format(id)
		});

	input.value = about.value;

	return { ...about, input, error: E('div', { 'id': '%s-error'.format(id), 'class': 'tr069-error', 'role': 'alert' }) };
}

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		bus.patience();
		return bus.settled(bus.tests());
	},

	render(status) {
		this.fields = FIELDS.map(field);
		this.fields.forEach(f => f.input.addEventListener('input', () => this.check(f)));
		this.start = page.button('apply', _('Start'), () => this.run(), { 'id': 'tr069-start', 'disabled': bus.mayWrite() ? null : '' });
		this.stop = page.button('reset', _('Stop'), () => this.halt(), { 'id': 'tr069-stop', 'hidden': '' });
		this.result = E('div');
		this.last = E('div');
		this.message = E('div');
		this.other = new other.Other(status.data?.tests ?? {}, 'IPPing', ENDS);
		this.showLast(status);
		bus.every(5, () => bus.settled(bus.tests()).then(now => {
			this.showLast(now);
			this.other.progress(now.data?.progress);
		}));

		return page.frame(_('Diagnostics'), _('Tests made from this router. What is tested here is not reported to the ACS.'), [
			page.section(_('Ping'), [
				E('form', { 'class': 'tr069-form', 'submit': ev => { ev.preventDefault(); this.start.click() } }, [
					...this.fields.map(f => E('div', [ E('label', { 'for': f.input.id }, [ f.title ]), f.input, f.error ])),
					E('button', { 'type': 'submit', 'hidden': '' })
				]),
				E('div', { 'class': 'tr069-tools' }, [ this.start, this.stop ]),
				this.message,
				this.result
			]),
			this.other.node,
			page.section(_('Last ping that the ACS asked for'), [ this.last ])
		]);
	},

	check(f) {
		const wrong = f.choices ? null : this.wrong(f);

		f.input.classList.toggle('cbi-input-invalid', wrong != null);
		f.input.setAttribute('aria-invalid', wrong != null);
		dom.content(f.error, wrong != null ? [ wrong ] : []);
		return wrong == null;
	},

	wrong(f) {
		const validator = validation.create(f.input, f.datatype, !f.required);
		return validator.validate() ? null : validator.error || _('This value is not valid.');
	},

	async run() {
		const wrong = this.fields.filter(f => !this.check(f));

		if (wrong.length) {
			wrong[0].input.focus();
			return;
		}

		const given = Object.fromEntries(this.fields.map(f => [ f.name, f.input.value.trim() ]));
		const { Repetitions, ...args } = given;

		this.stopped = false;
		this.stop.hidden = false;
		dom.content(this.message, []);
		await this.series(+Repetitions, { ...args, NumberOfRepetitions: '1' });
		this.stop.hidden = true;
	},

	/* Packets one after the other, until they are through or something is in the way. */
	async series(room, args) {
		const times = [];
		let address = '';

		this.show(times, room, args.Host, address);

		for (let i = 0; i < room && !this.stopped; i++) {
			const next = Date.now() + PAUSE;

			try {
				const { state, results, why } = await bus.runTest('IPPing', args);

				if (state == 'Canceled')
					break;
				if (state != 'Complete')
					return this.tell(why ?? ENDS[state] ?? state);

				address = results.IPAddressUsed;
				times.push(results.SuccessCount > 0 ? results.AverageResponseTimeDetailed / 1000 : null);
			}
			catch (trouble) {
				return this.refused(trouble);
			}

			this.show(times, room, args.Host, address);

			if (i + 1 < room)
				await this.pause(next - Date.now());
		}

		if (this.stopped)
			this.tell(_('Stopped.'), 'notice');
	},

	/* Resolves after a while, at once when the test is stopped, and not while the page is hidden. */
	async pause(duration) {
		await new Promise(resolve => {
			this.wake = resolve;
			setTimeout(resolve, Math.max(0, duration));
		});

		while (document.hidden && !this.stopped)
			await new Promise(resolve => {
				this.wake = resolve;
				document.addEventListener('visibilitychange', resolve, { once: true });
			});
	},

	async halt() {
		this.stopped = true;
		this.wake?.();
		await bus.settled(bus.cancelTest('IPPing'));
	},

	refused(trouble) {
		for (const { name, text } of trouble.parameters ?? []) {
			const last = name.split('.').pop();
			const f = this.fields.find(f => f.name == last);

			if (f) {
				f.input.classList.add('cbi-input-invalid');
				dom.content(f.error, [ text ]);
			}
		}

		this.tell(trouble.message);
	},

	tell(text, kind) {
		dom.content(this.message, [ page.alert(kind ?? 'danger', text) ]);
	},

	show(times, room, host, address) {
		const answered = times.filter(time => time != null), lost = times.length - answered.length;
		const mean = answered.reduce((sum, time) => sum + time, 0) / answered.length;

		dom.content(this.result, [
			chart.chart(times, room),
			page.facts([
				[ _('Host'), address && address != host ? '%s (%s)'.format(host, address) : host ],
				[ _('Packets'), _('%d of %d sent, %d answered, %d lost').format(times.length, room, answered.length, lost) ],
				[ _('Round-trip time'), answered.length ? _('%s ms on average, %s to %s ms').format(
					chart.shown(mean), chart.shown(Math.min(...answered)), chart.shown(Math.max(...answered))) : '–' ]
			])
		]);
	},

	showLast({ data, trouble }) {
		const test = data?.tests?.IPPing;

		if (!test) {
			dom.content(this.last, [ page.alert('danger', trouble?.message ?? _('This router has no such test.')) ]);
			return;
		}

		const { state, inputs, results } = test;

		dom.content(this.last, [
			E('p', [ ENDS[state] ?? state ]),
			state == 'Complete' ? page.facts([
				[ _('Host'), '%s (%s)'.format(inputs.Host, results.IPAddressUsed) ],
				[ _('Packets'), _('%d answered, %d lost').format(results.SuccessCount, results.FailureCount) ],
				[ _('Round-trip time'), _('%s on average, %s to %s').format(
					ms(results.AverageResponseTimeDetailed), ms(results.MinimumResponseTimeDetailed), ms(results.MaximumResponseTimeDetailed)) ]
			]) : ''
		]);
	}
});

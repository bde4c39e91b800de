'use strict';
'require baseclass';
'require dom';
'require tr069.bus as bus';
'require tr069.chart as chart';
'require tr069.page as page';

/*
 * Whatever tests the service has beside those with a form of their own: their inputs as it names them, with the values
 * they have, and their results as it gives them. It alone knows what is allowed, and says so for each input.
 */

const MOVES_BYTES = /^(Down|Up)loadDiagnostics$/;
const INTERVAL = 0.5;

const ROUND_TRIPS = /^RTTimes$|^ResponseTimes?$/;

/* Rows of a result as a table; the columns are what any of them has. */
function table(rows) {
	const columns = [ ...new Set(rows.flatMap(row => Object.keys(row))) ];

	return E('div', { 'class': 'tr069-wide' }, [ E('table', { 'class': 'table' }, [
		E('tr', { 'class': 'tr table-titles' }, columns.map(column => E('th', { 'class': 'th' }, [ column ]))),
		...rows.map(row => E('tr', { 'class': 'tr' }, columns.map(column => E('td', { 'class': 'td', 'data-title': column }, [ String(row[column] ?? '') ]))))
	]) ]);
}

/* The first time of each row, in ms, where the rows have any; 0 stands for a try without answer. */
function times(rows) {
	const column = Object.keys(rows[0] ?? {}).find(name => ROUND_TRIPS.test(name));

	return column ? rows.map(row => parseFloat(row[column]) || null) : [];
}

class Other {
	/* tests: as the service's `status` has them; `except` is left out; ends: what each state means. */
	constructor(tests, except, ends) {
		this.tests = Object.fromEntries(Object.entries(tests).filter(([ name ]) => name != except));
		this.ends = ends;
		this.inputs = E('form', { 'class': 'tr069-form', 'submit': ev => { ev.preventDefault(); this.start.click() } });
		this.meanwhile = E('div');
		this.result = E('div', { 'role': 'status' });
		this.start = page.button('apply', _('Run'), () => this.run(), { 'id': 'tr069-run', 'disabled': bus.mayWrite() ? null : '' });
		this.stop = page.button('reset', _('Stop'), () => bus.settled(bus.cancelTest(this.chooser.value)), { 'id': 'tr069-cancel', 'hidden': '' });
		this.chooser = E('select', { 'id': 'tr069-test', 'class': 'cbi-input-select', 'aria-label': _('Test'), 'change': () => this.choose() },
			Object.keys(this.tests).map(name => E('option', { 'value': name }, [ name ])));
		this.node = page.section(_('Other tests'), [ E('div', { 'class': 'tr069-tools' }, [ this.chooser, this.start, this.stop ]), this.inputs, this.meanwhile, this.result ]);
		this.node.hidden = !Object.keys(this.tests).length;

		if (!this.node.hidden)
			this.choose();
	}

	choose() {
		this.fields = new Map(Object.entries(this.tests[this.chooser.value].inputs).map(([ name, value ]) => {
			const id = 'tr069-other-%s'.format(name);
			const input = E('input', { 'id': id, 'name': name, 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false', 'aria-describedby': '%s-error'.format(id) });

			input.value = value;
			return [ name, { input, error: E('div', { 'id': '%s-error'.format(id), 'class': 'tr069-error', 'role': 'alert' }) } ];
		}));

		dom.content(this.inputs, [
			...[ ...this.fields ].map(([ name, { input, error } ]) => E('div', [ E('label', { 'for': input.id }, [ name ]), input, error ])),
			E('button', { 'type': 'submit', 'hidden': '' })
		]);
		dom.content(this.meanwhile, []);
		dom.content(this.result, []);
	}

	/* How far tests are, as the service's `status` has it; what there was to see stays when the test is over. */
	progress(all) {
		const now = all?.[this.chooser.value];

		if (!now || this.stop.hidden)
			return;

		const bytes = MOVES_BYTES.test(this.chooser.value);
		const amount = bytes ? page.size : String;

		dom.content(this.meanwhile, [
			page.progress(now.done, now.total, amount),
			bytes && now.rates?.length ? chart.throughput(now.rates, INTERVAL) : ''
		]);
	}

	mark(name, text) {
		const field = this.fields.get(name);

		if (field) {
			field.input.classList.toggle('cbi-input-invalid', text != '');
			dom.content(field.error, [ text ]);
		}
	}

	async run() {
		const args = Object.fromEntries([ ...this.fields ].map(([ name, { input } ]) => [ name, input.value.trim() ]));

		this.fields.forEach((field, name) => this.mark(name, ''));
		dom.content(this.meanwhile, []);
		dom.content(this.result, [ E('em', { 'class': 'spinning' }, [ _('The test is running…') ]) ]);
		this.stop.hidden = false;
		this.chooser.disabled = true;

		try {
			const { state, results, why } = await bus.runTest(this.chooser.value, args);
			this.show(state, results ?? {}, why);
		}
		catch (trouble) {
			trouble.parameters.forEach(({ name, text }) => this.mark(name.split('.').pop(), text));
			dom.content(this.result, [ page.alert('danger', trouble.message) ]);
		}

		this.stop.hidden = true;
		this.chooser.disabled = false;
	}

	show(state, results, why) {
		const single = Object.entries(results).filter(([ , value ]) => !Array.isArray(value));
		const tables = Object.entries(results).filter(([ , value ]) => Array.isArray(value) && value.length);

		dom.content(this.result, [
			page.alert(/^Complete/.test(state) ? 'success' : 'warning', [ this.ends[state] ?? state, why ].filter(text => text).join(' ')),
			...tables.flatMap(([ name, rows ]) => [
				E('h4', [ name ]),
				times(rows).some(time => time != null) ? chart.chart(times(rows), rows.length) : '',
				table(rows)
			]),
			single.length ? page.facts(single.map(([ name, value ]) => [ name, String(value) || '–' ])) : ''
		]);
	}
}

return baseclass.extend({ Other });

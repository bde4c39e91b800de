'use strict';
'require view';
'require dom';
'require tr069.bus as bus';
'require tr069.page as page';

/* Files that the ACS (or somebody on the router) has asked for: what waits, what moves, what came of it. */

const STATES = {
	queued: { text: _('waiting'), label: 'notice' },
	downloading: { text: _('downloading'), label: 'notice' },
	checking: { text: _('being checked'), label: 'notice' },
	uploading: { text: _('being sent'), label: 'notice' },
	ready: { text: _('ready: waits for its moment'), label: 'notice' },
	applying: { text: _('being installed'), label: 'warning' },
	installing: { text: _('being installed'), label: 'warning' },
	restarting: { text: _('installed: this router restarts'), label: 'warning' },
	complete: { text: _('complete'), label: 'success' },
	cancelled: { text: _('cancelled'), label: '' }
};

const CANCELLABLE = [ 'queued', 'downloading', 'uploading', 'checking', 'ready' ];

const MODES = {
	'1 At Any Time': _('at any time'),
	'2 Immediately': _('immediately'),
	'3 When Idle': _('when the router is idle'),
	'4 Confirmation Needed': _('when it is confirmed here')
};

/* So many seconds from now, in the viewer's zone, without the seconds. */
const moment = seconds => new Date(Date.now() + seconds * 1000).toLocaleString([], { dateStyle: 'short', timeStyle: 'short' });

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load: () => Promise.all([ bus.settled(bus.transfers()), bus.settled(bus.modules()) ]),

	render([ status, software ]) {
		this.content = E('div', { 'aria-live': 'polite' });
		this.show(status);
		bus.every(5, () => this.refresh());

		return page.frame(_('Transfers'), _('Files that are sent to this router or by it: firmware, configuration, logs; and what became of them.'), [ this.content, this.software(software) ]);
	},

	refresh() {
		return bus.settled(bus.transfers()).then(status => this.show(status));
	},

	show({ data, trouble }) {
		if (trouble) {
			dom.content(this.content, [ page.alert('danger', trouble.message) ]);
			return;
		}

		const transfers = data.transfers ?? [];
		const open = transfers.filter(t => t.state != 'complete' && t.state != 'cancelled');
		const over = transfers.filter(t => !open.includes(t));
		const list = (items, nothing) => items.length ? items.map(t => this.transfer(t)) : [ E('p', [ E('em', [ nothing ]) ]) ];

		dom.content(this.content, [
			data.reboot_pending ? page.alert('warning', _('This router restarts soon.')) : '',
			page.section(_('Under way'), list(open, _('No transfer is under way.'))),
			page.section(_('Over'), list(over, _('Nothing is left to be reported to the ACS, and none was begun here lately.')))
		]);
	},

	transfer(t) {
		const failed = t.fault_code > 0;
		const { text, label } = failed ? { text: _('failed'), label: 'important' } : STATES[t.state] ?? { text: t.state, label: '' };

		return E('article', { 'class': 'tr069-transfer', 'data-id': t.id }, [
			E('div', { 'class': 'head' }, [
				E('strong', [ t.file_type || t.method ]),
				page.label(label, text),
				CANCELLABLE.includes(t.state) && bus.mayWrite()
					? page.button('remove', _('Cancel'), () => this.cancel(t), { 'aria-label': _('Cancel %s').format(t.file_type) }) : ''
			]),
			t.bytes != null ? page.progress(t.bytes, t.total, page.size) : '',
			t.confirmation_needed ? this.question(t) : '',
			failed ? page.alert('danger', '%s (%d)'.format(t.fault_string, t.fault_code)) : '',
			E('p', { 'class': 'url' }, [ t.url ]),
			E('p', [ this.details(t).join(' · ') ]),
			t.windows?.length ? E('ul', { 'class': 'windows' }, t.windows.map(w => E('li', [
				_('from %s to %s, %s').format(moment(w.start - t.age), moment(w.end - t.age), MODES[w.mode] ?? w.mode)
			]))) : ''
		]);
	},

	/* What the ACS may install and remove, as it was when the page was opened. */
	software({ data }) {
		const units = data?.units ?? [];

		return units.length ? page.section(_('Software that the ACS manages'), [ page.facts(units.map(unit => [
			'%s %s'.format(unit.name, unit.version),
			[ unit.status, ...(unit.services ?? []).map(service => ' · %s: %s'.format(service.name, service.status)) ].map(text => E('span', [ text ]))
		])) ]) : '';
	},

	/* What the ACS wants somebody here to agree to; the words are its own. */
	question(t) {
		return E('div', { 'class': 'question' }, [
			page.alert('warning', t.user_message || _('The ACS asks for your consent to this transfer.')),
			bus.mayWrite() ? page.button('apply', _('Confirm'), () => this.confirm(t), { 'aria-label': _('Confirm %s').format(t.file_type) }) : ''
		]);
	},

	details(t) {
		return [
			t.origin == 'acs' ? _('asked for by the ACS') : _('asked for on this router'),
			t.command_key ? _('command key %s').format(t.command_key) : '',
			t.due_in > 0 ? _('begins in %s').format(page.span(t.due_in)) : '',
			t.rate > 0 ? _('%s per second').format(page.size(t.rate)) : '',
			!/^0001/.test(t.start_time ?? '0001') && t.state != 'queued' ? _('begun %s').format(page.time(t.start_time)) : '',
			!/^0001/.test(t.complete_time ?? '0001') ? _('over %s').format(page.time(t.complete_time)) : ''
		].filter(text => text);
	},

	async confirm(t) {
		try {
			await bus.confirmTransfer(t.id);
			page.notify('success', _('The transfer is confirmed.'));
		}
		catch (trouble) {
			page.notify('danger', trouble.message);
		}

		await this.refresh();
	},

	async cancel(t) {
		if (!await page.confirm(_('Cancel the transfer'), _('Cancel the transfer of %s? The ACS is not told.').format(t.url), _('Cancel the transfer')))
			return;

		try {
			await bus.cancelTransfer(t.id);
			page.notify('success', _('The transfer is cancelled.'));
		}
		catch (trouble) {
			page.notify('danger', trouble.message);
		}

		await this.refresh();
	}
});

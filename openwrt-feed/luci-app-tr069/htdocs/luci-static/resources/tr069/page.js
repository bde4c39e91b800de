'use strict';
'require baseclass';
'require ui';

/*
 * What the pages look like in common. Text from outside comes in arrays everywhere: E() makes text of a string
 * in an array, and markup of a bare one.
 */

const MINUTE = 60, HOUR = 3600, DAY = 86400;

function span(seconds) {
	if (seconds < MINUTE)
		return _('%d s').format(seconds);
	if (seconds < HOUR)
		return _('%d min').format(Math.round(seconds / MINUTE));
	if (seconds < 2 * DAY)
		return _('%d h').format(Math.round(seconds / HOUR));
	return _('%d days').format(Math.round(seconds / DAY));
}

return baseclass.extend({
	/* The page's elements below its stylesheet and title. */
	frame(title, description, children) {
		return E('div', { 'class': 'tr069' }, [
			E('link', { 'rel': 'stylesheet', 'href': L.resource('tr069/tr069.css') }),
			E('h2', [ title ]),
			E('div', { 'class': 'cbi-map-descr' }, [ description ]),
			...children
		]);
	},

	section(title, children) {
		return E('div', { 'class': 'cbi-section' }, [ title ? E('h3', [ title ]) : '', ...children ]);
	},

	/* rows: [[title, child or children]] */
	facts(rows) {
		return E('table', { 'class': 'table tr069-facts' }, rows.map(([ title, value ]) => E('tr', { 'class': 'tr' }, [
			E('th', { 'class': 'td left', 'scope': 'row' }, [ title ]),
			E('td', { 'class': 'td left' }, Array.isArray(value) ? value : [ value ])
		])));
	},

	/* kind: 'danger', 'warning', 'success' or 'notice' */
	alert(kind, text) {
		return E('div', { 'class': 'alert-message %s'.format(kind), 'role': kind == 'danger' ? 'alert' : 'status' }, [
			E('p', [ text ])
		]);
	},

	label(kind, text) {
		return E('span', { 'class': 'label %s'.format(kind) }, [ text ]);
	},

	button(style, text, handler, attributes) {
		const busy = ev => {
			const button = ev.currentTarget;
			button.disabled = true;
			return Promise.resolve(handler(ev)).finally(() => { button.disabled = false });
		};

		return E('button', { 'type': 'button', 'class': 'btn cbi-button cbi-button-%s'.format(style), 'click': busy, ...attributes }, [ text ]);
	},

	/* How much of `total` (0: not known) is done; `shown` makes text of an amount. */
	progress(done, total, shown) {
		const percent = total > 0 ? Math.min(100, Math.floor(done * 100 / total)) : 0;
		const text = total > 0 ? _('%s of %s (%d%%)').format(shown(done), shown(total), percent) : shown(done);

		return E('div', {
			'class': 'cbi-progressbar', 'role': 'progressbar', 'title': text, 'aria-label': text,
			'aria-valuemin': 0, 'aria-valuemax': 100, 'aria-valuenow': total > 0 ? percent : null
		}, [ E('div', { 'style': 'width: %d%%'.format(percent) }) ]);
	},

	/* A message above the page; it goes when the next one comes. */
	notify(kind, text) {
		document.querySelectorAll('.tr069-note').forEach(note => note.remove());
		ui.addNotification(null, E('p', { 'role': kind == 'danger' ? 'alert' : 'status' }, [ text ]), kind, 'tr069-note');
	},

	/* Ask before something that cannot be taken back; resolves to true or false. */
	confirm(title, text, action) {
		return new Promise(resolve => {
			const done = answer => { ui.hideModal(); resolve(answer) };

			ui.showModal(title, [
				E('p', [ text ]),
				E('div', { 'class': 'right' }, [
					this.button('neutral', _('Cancel'), () => done(false)),
					' ',
					this.button('negative important', action, () => done(true), { 'id': 'tr069-confirm' })
				])
			]);

			document.getElementById('tr069-confirm').focus();
		});
	},

	/* A time as the services give it (ISO 8601), in the viewer's zone and how far away it is. */
	time(text) {
		const when = Date.parse(text), away = Math.round((when - Date.now()) / 1000);

		if (!text || isNaN(when) || when <= 0)
			return '–';

		const relative = Math.abs(away) < 2 ? _('now') : (away > 0 ? _('in %s') : _('%s ago')).format(span(Math.abs(away)));

		return '%s (%s)'.format(new Date(when).toLocaleString(), relative);
	},

	span,

	size: bytes => '%.1mB'.format(bytes)
});

'use strict';
'require baseclass';
'require dom';
'require tr069.bus as bus';
'require tr069.page as page';

/*
 * The changes that are being made to parameters, saved all together or not at all, as the data model has it.
 * Each has a field of its own below the tree, which stays while the tree scrolls, and what is wrong with it is said
 * there: first by its type, here; then by the data model, which alone knows every rule.
 */

const WHOLE = /^[+-]?\d{1,20}$/;
const RANGES = {
	int: [ -(2n ** 31n), 2n ** 31n - 1n ],
	long: [ -(2n ** 63n), 2n ** 63n - 1n ],
	unsignedInt: [ 0n, 2n ** 32n - 1n ],
	unsignedLong: [ 0n, 2n ** 64n - 1n ]
};

/* What is wrong with a value of this type, or ''. */
function check(type, value) {
	if (RANGES[type]) {
		const [ low, high ] = RANGES[type];

		if (!WHOLE.test(value))
			return _('Use a whole number.');
		if (BigInt(value.replace('+', '')) < low || BigInt(value.replace('+', '')) > high)
			return _('Use a number from %s to %s.').format(low, high);
	}

	if (type == 'dateTime' && !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/.test(value))
		return _('Use a date and time like 2026-01-31T03:00:00Z.');

	if (type == 'hexBinary' && !/^([0-9A-Fa-f]{2})*$/.test(value))
		return _('Use pairs of hexadecimal digits.');

	if (type == 'base64' && !/^[A-Za-z0-9+/]*={0,2}$/.test(value))
		return _('Use Base64.');

	return '';
}

class Editor {
	/* onSaved(names) hears of what was saved. */
	constructor(onSaved) {
		this.changes = new Map();
		this.onSaved = onSaved;
		this.turn = 0;
		this.trouble = E('div');
		this.list = E('div', { 'class': 'tr069-changes' });
		this.node = E('div', { 'class': 'cbi-section tr069-editor', 'hidden': '' }, [
			E('h3', [ _('Changes') ]),
			this.list,
			this.trouble,
			E('div', { 'class': 'right' }, [
				page.button('reset', _('Discard'), () => this.discard(), { 'id': 'tr069-discard' }),
				' ',
				page.button('save', _('Save'), () => this.save(), { 'id': 'tr069-save' })
			])
		]);
	}

	/* Begin to change a parameter, or go back to it. */
	edit(node) {
		let change = this.changes.get(node.name);

		if (!change) {
			change = this.made(node);
			this.changes.set(node.name, change);
			this.list.appendChild(change.row);
		}

		this.node.hidden = false;
		change.field.focus();
	}

	made(node) {
		const id = 'tr069-edit-%s'.format(node.name);
		const error = E('div', { 'id': '%s-error'.format(id), 'class': 'tr069-error', 'role': 'alert' });
		const attributes = { 'id': id, 'name': node.name, 'aria-describedby': '%s-error'.format(id) };
		const change = { name: node.name, type: node.type, error, told: E('small') };

		if (node.type == 'boolean') {
			change.field = E('select', { ...attributes, 'class': 'cbi-input-select' }, [ 'true', 'false' ].map(value => E('option', { 'value': value }, [ value ])));
			change.field.value = /^(1|true)$/.test(node.value) ? 'true' : 'false';
		}
		else {
			change.field = E('input', {
				...attributes, 'type': 'text', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false',
				'inputmode': RANGES[node.type] ? 'numeric' : 'text'
			});
			change.field.value = node.value ?? '';
		}

		change.field.addEventListener('input', () => this.mark(change, check(change.type, change.field.value)));
		change.field.addEventListener('change', () => this.rehearse());
		change.field.addEventListener('keydown', ev => { if (ev.key == 'Enter') this.save() });

		change.row = E('div', { 'class': 'tr069-change' }, [
			E('label', { 'for': id }, [ node.name, ' ', E('small', [ node.type ?? '' ]) ]),
			E('div', { 'class': 'tr069-change-field' }, [
				change.field,
				page.button('remove', '✕', () => this.drop(change), { 'title': _('Leave it as it is'), 'aria-label': _('Leave %s as it is').format(node.name) })
			]),
			error,
			change.told
		]);
		this.tell(change);

		return change;
	}

	mark(change, text) {
		change.field.classList.toggle('cbi-input-invalid', text != '');
		change.field.setAttribute('aria-invalid', text != '');
		dom.content(change.error, [ text ]);
		return text == '';
	}

	/* Who would hear of a new value. */
	async tell(change) {
		const { data } = await bus.settled(bus.describe(change.name));
		const told = data?.told ?? [];

		dom.content(change.told, [ told.length ? _('Told of a new value: %s').format(told.join('; ')) : '' ]);
	}

	/* Ask the data model what it would refuse of all this, and change nothing. */
	async rehearse() {
		const turn = ++this.turn;
		const changes = [ ...this.changes.values() ].filter(change => check(change.type, change.field.value) == '');
		const values = Object.fromEntries(changes.map(change => [ change.name, change.field.value ]));

		if (!changes.length)
			return;

		const { trouble } = await bus.settled(bus.set(values, true));

		if (turn == this.turn)
			for (const { name, text } of trouble?.parameters ?? [])
				if (this.changes.get(name)?.field.value === values[name])
					this.mark(this.changes.get(name), text);
	}

	drop(change) {
		change.row.remove();
		this.changes.delete(change.name);
		dom.content(this.trouble, []);
		this.node.hidden = this.changes.size == 0;
	}

	discard() {
		[ ...this.changes.values() ].forEach(change => this.drop(change));
	}

	async save() {
		const changes = [ ...this.changes.values() ];

		this.turn++;

		const wrong = changes.filter(change => !this.mark(change, check(change.type, change.field.value)));

		dom.content(this.trouble, []);

		if (wrong.length) {
			wrong[0].field.focus();
			return;
		}

		try {
			const reply = await bus.set(Object.fromEntries(changes.map(change => [ change.name, change.field.value ])), false);

			this.discard();
			page.notify('success', reply.status == 1
				? _('Saved. It takes effect when the session with the ACS has ended, or after a restart of what it concerns.')
				: _('Saved.'));
			await this.onSaved(changes.map(change => change.name));
		}
		catch (trouble) {
			this.refused(trouble);
		}
	}

	refused(trouble) {
		const elsewhere = trouble.parameters?.filter(({ name, text }) => {
			const change = this.changes.get(name);

			if (change)
				this.mark(change, text);

			return !change;
		});

		dom.content(this.trouble, [
			page.alert('danger', trouble.parameters?.length ? _('Nothing was saved: the data model refused some of the values.') : trouble.message),
			...elsewhere.map(({ name, text }) => page.alert('danger', '%s: %s'.format(name, text)))
		]);
	}
}

return baseclass.extend({ Editor, check });

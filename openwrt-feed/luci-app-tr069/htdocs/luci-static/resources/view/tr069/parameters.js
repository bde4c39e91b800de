'use strict';
'require view';
'require dom';
'require tr069.bus as bus';
'require tr069.editor as editor';
'require tr069.list as list';
'require tr069.page as page';
'require tr069.tree as tree';

/* The data model as a tree: looked at piece by piece, searched by path, changed where it is writable. */

const PAUSE = 250;

const NOTIFICATION = [ _('off'), _('with the next session'), _('at once') ];

return view.extend({
	handleSave: null,
	handleSaveApply: null,
	handleReset: null,

	load() {
		this.tree = new tree.Tree();
		return bus.settled(this.tree.open(this.tree.root));
	},

	render({ trouble }) {
		this.message = E('div');
		this.count = E('span', { 'class': 'count', 'role': 'status' });
		this.field = E('input', {
			'type': 'search', 'id': 'tr069-search', 'class': 'cbi-input-text', 'autocomplete': 'off', 'spellcheck': 'false',
			'placeholder': _('Search, as in: wifi ssid'), 'aria-label': _('Search parameters by their path'),
			'input': () => this.soon(), 'keydown': ev => this.searchKey(ev)
		});
		this.list = new list.List({
			label: _('Parameters'), role: 'tree',
			render: row => this.row(row),
			onKey: (key, row, number) => this.key(key, row, number),
			onShown: rows => this.fill(rows)
		});
		this.about = E('div', { 'role': 'status' });
		this.editor = new editor.Editor(names => this.saved(names));
		this.tell(trouble);
		this.draw();

		if (trouble)
			bus.every(5, () => this.tree.root.children ? Promise.resolve() : this.reload());

		return page.frame(_('Parameters'), _('What the ACS sees of this router, and what it can change. Changes made here are local: the ACS is told of them.'), [
			E('div', { 'class': 'tr069-tools' }, [
				this.field,
				page.button('neutral', _('Read anew'), () => this.reload(), { 'id': 'tr069-reload' }),
				this.count
			]),
			this.message,
			this.list.node,
			this.about,
			this.editor.node
		]);
	},

	tell(trouble) {
		dom.content(this.message, trouble ? [ page.alert('danger', trouble.message) ] : []);
	},

	draw() {
		this.list.show(this.tree.rows());
		dom.content(this.count, [ this.tree.found ? _('%d found').format(this.tree.found.length) : '' ]);
	},

	/* Do something that asks the data model, and show what came of it. */
	async attempt(task) {
		try {
			await task();
			this.tell();
		}
		catch (trouble) {
			this.tell(trouble);
		}

		this.draw();
	},

	reload() {
		this.tree.forget();
		return this.attempt(async () => {
			await this.tree.open(this.tree.root);
			await this.tree.search(this.field.value);
		});
	},

	soon() {
		clearTimeout(this.waiting);
		this.waiting = setTimeout(() => this.search(), PAUSE);
	},

	search() {
		clearTimeout(this.waiting);

		if (this.field.value.trim() && !this.tree.all)
			dom.content(this.count, [ E('em', { 'class': 'spinning' }, [ _('Reading all names…') ]) ]);

		return this.attempt(() => this.tree.search(this.field.value));
	},

	searchKey(ev) {
		if (ev.key == 'Enter')
			this.search();
		else if (ev.key == 'ArrowDown')
			this.list.node.focus();
		else if (ev.key == 'Escape' && this.field.value) {
			this.field.value = '';
			this.search();
		}
	},

	/* Rows of a search have no values until somebody sees them. */
	async fill(rows) {
		const empty = rows.filter(row => !row.object && row.type == null && !row.asked);

		if (!empty.length)
			return;

		empty.forEach(row => { row.asked = true });

		try {
			await this.tree.read(empty);
			this.list.draw(true);
		}
		catch (trouble) {
			empty.forEach(row => { row.asked = false });
			this.tell(trouble);
		}
	},

	row(row) {
		const found = this.tree.found != null, depth = '--depth: %d'.format(found ? 0 : row.depth);

		return {
			kind: row.object ? 'object' : (found ? 'found' : 'parameter'),
			attributes: {
				'role': 'treeitem', 'data-name': row.name,
				'aria-level': found ? 1 : row.depth + 1,
				'aria-expanded': row.object ? String(row.open == true) : null
			},
			children: [
				E('span', { 'class': 'name', 'style': depth, 'title': row.name, 'click': () => row.object ? this.toggle(row) : this.explain(row) }, [
					E('span', { 'class': 'twist', 'aria-hidden': 'true' }, [ row.object ? (row.loading ? '…' : row.open ? '▾' : '▸') : '' ]),
					E('bdi', [ row.label ])
				]),
				E('span', { 'class': 'type' }, [ row.type ?? '' ]),
				row.object ? E('span') : E('span', { 'class': 'value', 'style': depth, 'title': row.value ?? '' }, [ row.value ?? '' ]),
				E('span', { 'class': 'does' }, this.buttons(row))
			]
		};
	},

	buttons(row) {
		if (!row.writable)
			return [];

		/* what the keyboard does by a key of the row is no stop of Tab of its own */
		const small = (style, text, title, handler) => page.button(style, text, handler, {
			'title': title, 'aria-label': '%s: %s'.format(title, row.name), 'tabindex': -1, 'disabled': bus.mayWrite() ? null : ''
		});

		if (!row.object)
			return [ small('edit', _('Edit'), _('Change this value'), () => this.edit(row)) ];
		if (tree.isInstance(row))
			return [ small('remove', _('Delete'), _('Delete this object'), () => this.remove(row)) ];
		return [ small('add', _('Add'), _('Add an object to this table'), () => this.add(row)) ];
	},

	toggle(row) {
		if (row.open) {
			row.open = false;
			this.draw();
			return;
		}

		const opened = this.attempt(() => this.tree.open(row));
		this.draw();
		return opened;
	},

	key(key, row, number) {
		switch (key) {
		case 'Enter':
		case ' ':
			if (row.object)
				this.toggle(row);
			else if (row.writable && bus.mayWrite())
				this.edit(row);
			else
				this.explain(row);
			return true;

		case 'ArrowRight':
			if (row.object && !row.open)
				this.toggle(row);
			else if (row.object)
				this.list.select(number + 1);
			return true;

		case 'ArrowLeft':
			if (row.object && row.open)
				this.toggle(row);
			else if (!this.tree.found)
				this.list.select(this.list.rows.indexOf(this.tree.parent(row.name)));
			return true;

		case 'i':
			if (!row.object)
				this.explain(row);
			return true;

		case 'Insert':
			if (row.object && row.writable && !tree.isInstance(row) && bus.mayWrite())
				this.add(row);
			return true;

		case 'Delete':
			if (row.writable && tree.isInstance(row) && bus.mayWrite())
				this.remove(row);
			return true;

		case '/':
			this.field.focus();
			return true;
		}

		return false;
	},

	/* Where a parameter comes from, whether the ACS wants to hear of it, and who would hear of a new value. */
	async explain(row) {
		const [ described, attributes ] = await Promise.all([
			bus.settled(bus.describe(row.name)), bus.settled(bus.attributes([ row.name ]))
		]);

		this.tell(described.trouble ?? attributes.trouble);

		if (!described.data)
			return;

		const about = described.data, of = attributes.data?.attributes?.[0];

		dom.content(this.about, [ page.section(row.name, [ page.facts([
			[ _('Type'), about.type ],
			[ _('Access'), about.access ],
			[ _('The ACS is told of changes'), NOTIFICATION[of?.notification & 3] ?? '–' ],
			[ _('Who may change it beside the ACS'), of ? of.access.join(', ') || _('nobody') : '–' ],
			[ _('Told of a new value'), about.told.join('; ') || _('nobody') ],
			[ _('Read from'), about.reads.join('; ') || '–' ],
			[ _('Declared in'), E('span', { 'title': about.declared }, [ about.declared.split('/').slice(-2).join('/') ]) ]
		]) ]) ]);
	},

	/* A row that was never in sight for long has no value yet: one that is changed must be known. */
	async edit(row) {
		try {
			if (row.type == null)
				await this.tree.read([ row ]);

			this.editor.edit(row);
		}
		catch (trouble) {
			this.tell(trouble);
		}
	},

	add(row) {
		return this.attempt(async () => {
			const added = await bus.add(row.name);
			await this.tree.reopen(row);
			page.notify('success', _('Added %s').format(added.path));
		});
	},

	async remove(row) {
		if (!await page.confirm(_('Delete'), _('Delete %s and all below it?').format(row.name), _('Delete')))
			return;

		await this.attempt(async () => {
			const parent = this.tree.parent(row.name);
			await bus.del(row.name);
			await this.tree.reopen(parent);
			page.notify('success', _('Deleted %s').format(row.name));
		});
	},

	saved(names) {
		return this.attempt(() => this.tree.read(names.flatMap(name => this.tree.known(name))));
	}
});

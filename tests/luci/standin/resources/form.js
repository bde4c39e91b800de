'use strict';
'require baseclass';
'require dom';
'require uci';
'require ui';
'require validation';

/* A form over one named section, in tabs: the part of LuCI's forms that the settings need. */

const Value = L.Class.extend({
	__init__(section, option, title, description) {
		Object.assign(this, { section, option, title, description, rmempty: true });
	},

	id() {
		return 'widget.cbid.%s.%s.%s'.format(this.section.map.config, this.section.name, this.option);
	},

	cfgvalue(section) {
		return uci.get(this.section.map.config, section, this.option);
	},

	write(section, value) {
		uci.set(this.section.map.config, section, this.option, value);
	},

	widget(value) {
		const input = E('input', { 'id': this.id(), 'class': 'cbi-input-text', 'type': this.password ? 'password' : 'text', 'placeholder': this.placeholder ?? null });
		input.value = value ?? this.default ?? '';
		return input;
	},

	formvalue() {
		return this.field.value;
	},

	render() {
		this.field = this.widget(this.cfgvalue(this.section.name));

		const validator = validation.create(this.field, this.datatype, true, value => this.validate?.(this.section.name, value) ?? true);

		this.check = () => {
			const valid = validator.validate();
			this.field.classList.toggle('cbi-input-invalid', !valid);
			this.field.title = validator.error;
			return valid ? '' : validator.error;
		};

		[ 'blur', 'input', 'change' ].forEach(event => this.field.addEventListener(event, this.check));

		return E('div', { 'class': 'cbi-value', 'data-name': this.option }, [
			E('label', { 'class': 'cbi-value-title', 'for': this.id() }, [ this.title ]),
			E('div', { 'class': 'cbi-value-field' }, [ this.field, this.description ? E('div', { 'class': 'cbi-value-description' }, [ this.description ]) : '' ])
		]);
	},

	parse() {
		const { map: { config }, name } = this.section;
		const before = this.cfgvalue(name) ?? '', value = this.formvalue();

		if (value == before)
			return;
		if (value == '' || (this.rmempty && value == this.default))
			uci.unset(config, name, this.option);
		else
			this.write(name, value);
	}
});

const Flag = Value.extend({
	widget(value) {
		const box = E('input', { 'id': this.id(), 'type': 'checkbox' });
		box.checked = (value ?? this.default) == '1';
		return box;
	},

	formvalue() {
		return this.field.checked ? '1' : '0';
	}
});

const ListValue = Value.extend({
	value(choice) {
		(this.choices ??= []).push(choice);
	},

	widget(value) {
		const select = E('select', { 'id': this.id(), 'class': 'cbi-input-select' }, this.choices.map(choice => E('option', { 'value': choice }, [ choice ])));
		select.value = value ?? this.default;
		return select;
	}
});

const NamedSection = L.Class.extend({
	__init__(map, name, type) {
		Object.assign(this, { map, name, type, tabs: [], options: [] });
	},

	tab(name, title, description) {
		this.tabs.push({ name, title, description, options: [] });
	},

	taboption(tab, kind, ...args) {
		const option = new kind(this, ...args);
		this.tabs.find(({ name }) => name == tab).options.push(option);
		this.options.push(option);
		return option;
	},

	render() {
		const panes = this.tabs.map(({ description, options }) => E('div', { 'data-tab': '' }, [
			E('div', { 'class': 'cbi-tab-descr' }, [ description ]), ...options.map(option => option.render())
		]));
		const items = this.tabs.map(({ title }, i) => E('li', {}, [ E('a', { 'href': '#', 'click': ev => { ev.preventDefault(); show(i) } }, [ title ]) ]));
		const show = chosen => panes.forEach((pane, i) => {
			pane.hidden = i != chosen;
			items[i].className = i == chosen ? 'cbi-tab' : 'cbi-tab-disabled';
		});

		show(0);
		return E('div', { 'class': 'cbi-section' }, [ E('ul', { 'class': 'cbi-tabmenu' }, items), ...panes ]);
	}
});

const Map = L.Class.extend({
	__init__(config, title, description) {
		Object.assign(this, { config, title, description, sections: [] });
	},

	section(kind, ...args) {
		const section = new kind(this, ...args);
		this.sections.push(section);
		return section;
	},

	render() {
		this.root = E('div', { 'class': 'cbi-map' }, this.nodes());
		this.root.map = this;
		return this.root;
	},

	nodes() {
		return [ E('h2', [ this.title ]), E('div', { 'class': 'cbi-map-descr' }, [ this.description ]), ...this.sections.map(section => section.render()) ];
	},

	async save() {
		const options = this.sections.flatMap(section => section.options);
		const wrong = options.find(option => option.check() != '');

		if (wrong) {
			ui.showModal(_('Save error'), [
				E('p', [ '%s: %s'.format(wrong.title, wrong.check()) ]),
				E('div', { 'class': 'right' }, [ E('button', { 'class': 'btn', 'click': () => ui.hideModal() }, [ _('Dismiss') ]) ])
			]);
			throw new Error('Option "%s" contains an invalid input value.'.format(wrong.title));
		}

		options.forEach(option => option.parse());
		await uci.save();
		await this.reset();
	},

	async reset() {
		dom.content(this.root, this.nodes());
	}
});

return baseclass.extend({ Map, NamedSection, Value, Flag, ListValue });

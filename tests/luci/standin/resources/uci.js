'use strict';
'require baseclass';
'require rpc';

/* The configuration as the pages change it, before it is saved. */

const call = (method, params, expect) => rpc.declare({ object: 'uci', method, params, expect, reject: true });

const callGet = call('get', [ 'config' ], { values: {} });
const callAdd = call('add', [ 'config', 'type', 'name', 'values' ], { section: '' });
const callSet = call('set', [ 'config', 'section', 'values' ]);
const callDelete = call('delete', [ 'config', 'section', 'options' ]);

const read = {}, added = {}, changed = {};

function now(config) {
	const sections = { ...read[config], ...added[config] };

	return Object.fromEntries(Object.entries(sections).map(([ name, section ]) => [ name, { ...section, ...changed[config]?.[name] } ]));
}

return baseclass.extend({
	async load(config) {
		read[config] = await callGet(config);
		added[config] = {};
		changed[config] = {};
	},

	sections: (config, type) => Object.values(now(config)).filter(section => section['.type'] == type),

	get: (config, name, option) => now(config)[name]?.[option],

	add(config, type, name) {
		added[config][name] = { '.name': name, '.type': type };
		return name;
	},

	set(config, name, option, value) {
		(changed[config][name] ??= {})[option] = value;
	},

	unset(config, name, option) {
		(changed[config][name] ??= {})[option] = undefined;
	},

	async save() {
		for (const config in changed) {
			for (const name in added[config])
				await callAdd(config, added[config][name]['.type'], name, {});

			for (const name in changed[config]) {
				const all = Object.entries(changed[config][name]);
				const set = all.filter(([ , value ]) => value != null), gone = all.filter(([ , value ]) => value == null);

				if (set.length)
					await callSet(config, name, Object.fromEntries(set));
				if (gone.length)
					await callDelete(config, name, gone.map(([ option ]) => option));
			}

			await this.load(config);
		}
	}
});

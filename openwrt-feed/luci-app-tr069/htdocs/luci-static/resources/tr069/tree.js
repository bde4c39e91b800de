'use strict';
'require baseclass';
'require tr069.bus as bus';

/*
 * The part of the data model that has been seen, and the rows it makes. No DOM here.
 *
 * A node is {name, label, depth, object, writable, open, loading, children, type, value}. `name` is the path, which
 * ends with a dot for an object. Children are asked for when a node is first opened: their names in one call, the
 * values of the parameters among them in another. A search knows every name (asked for once), and values only of
 * the rows that somebody looked at.
 */

const NAMES_A_CALL = 200;

function label(name) {
	return name.replace(/\.$/, '').split('.').pop();
}

function node(row, depth) {
	return { name: row.name, label: label(row.name), depth, object: row.name.endsWith('.'), writable: row.writable };
}

/* Instances by number, all else as the data model has it: parameters first. */
function order(a, b) {
	if (a.object != b.object)
		return a.object ? 1 : -1;

	return /^\d+$/.test(a.label) && /^\d+$/.test(b.label) ? a.label - b.label : 0;
}

function isInstance(node) {
	return node.object && /^\d+$/.test(node.label);
}

class Tree {
	constructor() {
		this.forget();
	}

	/* Drop all that was read. */
	forget() {
		this.root = { name: 'Device.', label: 'Device', depth: 0, object: true, writable: false };
		this.all = null;
		this.found = null;
		this.turn = 0;
	}

	async open(node) {
		node.open = true;

		if (node.children || node.loading)
			return;

		node.loading = true;

		try {
			const rows = await bus.names(node.name, true);
			const children = rows.filter(row => row.name != node.name).map(row => makeChild(row, node)).sort(order);
			await this.read(children);
			node.children = children;
		}
		catch (trouble) {
			node.open = false;
			throw trouble;
		}
		finally {
			node.loading = false;
		}
	}

	/* Read an object's children anew. */
	reopen(node) {
		node.children = null;
		this.all = null;
		return this.open(node);
	}

	/* Read the values of those parameters among `nodes`. */
	async read(nodes) {
		const wanted = new Map(nodes.filter(n => !n.object).map(n => [ n.name, n ]));
		const names = [ ...wanted.keys() ];

		for (let i = 0; i < names.length; i += NAMES_A_CALL)
			for (const row of await bus.get(names.slice(i, i + NAMES_A_CALL))) {
				const found = wanted.get(row.name);

				if (found) {
					found.type = row.type;
					found.value = row.value;
				}
			}
	}

	/* The parameters whose path has every word of `text`; '' ends the search. Resolves to how many. */
	async search(text) {
		const turn = ++this.turn;
		const words = text.toLowerCase().split(/\s+/).filter(word => word);

		if (!words.length) {
			this.found = null;
			return 0;
		}

		if (!this.all) {
			this.asked ??= bus.names('', false).finally(() => { this.asked = null });

			const rows = await this.asked;

			this.all ??= rows.filter(row => !row.name.endsWith('.')).map(row => ({ ...node(row, 0), label: row.name }));
		}

		if (turn != this.turn) /* a later search has been asked for meanwhile */
			return this.found?.length ?? 0;

		this.found = this.all.filter(n => words.every(word => n.name.toLowerCase().includes(word)));
		return this.found.length;
	}

	/* Every node that is known by this name. */
	known(name) {
		return [ ...this.walk(this.root), ...(this.all ?? []) ].filter(n => n.name == name);
	}

	parent(name) {
		const path = name.replace(/[^.]+\.?$/, '');
		return [ ...this.walk(this.root) ].find(n => n.name == path);
	}

	*walk(from) {
		yield from;

		for (const child of from.children ?? [])
			yield* this.walk(child);
	}

	/* What is to be shown, from top to bottom. */
	rows() {
		return this.found ?? [ ...visible(this.root) ];
	}
}

function makeChild(row, parent) {
	return node(row, parent.depth + 1);
}

function *visible(node) {
	yield node;

	if (node.open)
		for (const child of node.children ?? [])
			yield* visible(child);
}

return baseclass.extend({ Tree, isInstance });

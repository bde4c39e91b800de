/*
 * A stand-in for LuCI's runtime, good enough to run the application's pages in a test: modules and classes, elements,
 * polling, views. It keeps what the pages rely on, its sharp edges too: E() takes a bare string for markup.
 */

(function(window, document) {
	const BASES = new Set([ 'baseclass', 'dom', 'poll', 'view' ]);

	class Class {
		constructor(...args) {
			return this.__init__?.(...args) ?? this;
		}

		static extend(properties) {
			const base = this;
			const made = class extends base { };

			for (const key of Object.keys(properties))
				Object.defineProperty(made.prototype, key, { value: properties[key], writable: true, configurable: true });

			made.extend = Class.extend;
			return made;
		}

		super(name, args) {
			return Object.getPrototypeOf(Object.getPrototypeOf(this))[name]?.apply(this, args);
		}
	}

	const dom = {
		append(node, children) {
			if (Array.isArray(children))
				children.forEach(child => {
					if (child instanceof Node)
						node.appendChild(child);
					else if (Array.isArray(child))
						dom.append(node, child);
					else if (child != null)
						node.appendChild(document.createTextNode(String(child)));
				});
			else if (children instanceof Node)
				node.appendChild(children);
			else if (children != null)
				node.innerHTML = String(children);

			return node.lastChild;
		},

		content(node, children) {
			while (node.firstChild)
				node.removeChild(node.firstChild);

			return dom.append(node, children);
		}
	};

	function E(name, attributes, children) {
		if (Array.isArray(name)) {
			const fragment = document.createDocumentFragment();
			dom.append(fragment, name);
			return fragment;
		}

		if (Array.isArray(attributes) || typeof(attributes) == 'string' || attributes instanceof Node)
			[ attributes, children ] = [ {}, attributes ];

		const node = document.createElement(name);

		for (const key in attributes) {
			const value = attributes[key];

			if (value == null)
				continue;
			else if (typeof(value) == 'function')
				node.addEventListener(key, value);
			else
				node.setAttribute(key, typeof(value) == 'object' ? JSON.stringify(value) : value);
		}

		if (children != null)
			dom.append(node, children);

		return node;
	}

	const poll = {
		queue: [],
		timer: null,
		tick: 0,

		add(task, interval) {
			poll.queue.push({ task, interval: interval || L.env.pollinterval });
			poll.start();
		},

		start() {
			if (poll.timer == null && poll.queue.length)
				poll.timer = setInterval(poll.step, 1000);
		},

		stop() {
			clearInterval(poll.timer);
			poll.timer = null;
		},

		step() {
			poll.tick++;
			poll.queue.filter(entry => poll.tick % entry.interval == 0).forEach(entry => entry.task());
		},

		active: () => poll.timer != null
	};

	const View = Class.extend({
		__init__() {
			const place = document.getElementById('view');

			Promise.resolve(this.load()).then(data => this.render(data)).then(nodes => {
				dom.content(place, nodes);
				dom.append(place, this.addFooter());
			});
		},

		load() {},
		render() {},

		maps: () => [ ...document.querySelectorAll('.cbi-map') ].map(node => node.map),

		handleSave() {
			return Promise.all(this.maps().map(map => map.save()));
		},

		async handleSaveApply() {
			await this.handleSave();
			(await L.require('ui')).changes.apply();
		},

		handleReset() {
			return Promise.all(this.maps().map(map => map.reset()));
		},

		addFooter() {
			if (!this.handleSave && !this.handleSaveApply && !this.handleReset)
				return E([]);

			const button = (style, text, handler) => handler ? E('button', {
				'class': 'btn cbi-button cbi-button-%s'.format(style),
				'disabled': L.hasViewPermission() ? null : '',
				'click': () => handler.call(this)
			}, [ text ]) : '';

			return E('div', { 'class': 'cbi-page-actions' }, [
				button('apply', _('Save & Apply'), this.handleSaveApply), ' ',
				button('save', _('Save'), this.handleSave), ' ',
				button('reset', _('Reset'), this.handleReset)
			]);
		}
	});

	const modules = new Map();

	async function load(name) {
		const url = L.resource(name.replaceAll('.', '/') + '.js');
		const reply = await fetch(url);

		if (!reply.ok)
			throw new Error(`${url}: ${reply.status}`);

		const source = await reply.text();
		const needed = [ ...source.matchAll(/^'require ([\w.-]+)(?: as (\w+))?';$/gm) ];
		const found = await Promise.all(needed.map(([ , module ]) => L.require(module)));
		const names = needed.map(([ , module, alias ]) => alias ?? module.replace(/\W/g, '_'));
		const made = new Function('window', 'document', 'L', 'E', '_', ...names, source + '\n//# sourceURL=' + url)
			(window, document, L, E, window._, ...found);

		if (!(made?.prototype instanceof Class))
			throw new TypeError(`${name} gives no class`);

		return new made();
	}

	window.LuCI = class {
		constructor(env) {
			this.env = env;
			this.Class = Class;
		}

		require(name) {
			if (BASES.has(name))
				return Promise.resolve({ baseclass: Class, dom, poll, view: View }[name]);
			if (!modules.has(name))
				modules.set(name, load(name));

			return modules.get(name);
		}

		resource(path) {
			return `${this.env.resource}/${path}`;
		}

		url(...parts) {
			return [ this.env.scriptname, ...parts ].join('/');
		}

		isObject(value) {
			return value != null && typeof(value) == 'object';
		}

		hasViewPermission() {
			return !this.env.nodespec.readonly;
		}
	};

	window.E = E;
})(window, document);

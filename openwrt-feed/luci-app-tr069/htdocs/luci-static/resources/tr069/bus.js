'use strict';
'require baseclass';
'require poll';
'require rpc';

/*
 * The calls of every page, and what goes wrong with them.
 *
 * A call resolves to the reply, or rejects with a Trouble, whose text can be shown as it is. A service answers
 * what it refuses with {fault: {code, text, parameters}}; a ubus status, or an error of the web server, is what
 * is left when there is no service to answer.
 */

const NOT_FOUND = 4, TIMED_OUT = 7, DENIED = 6;
const SHORTEST = 5;

const who = {
	'cwmp': _('The session service (cwmp)'),
	'cwmp.datamodel': _('The data model service (cwmp.datamodel)'),
	'cwmp.firmware': _('The firmware service (cwmp.firmware)'),
	'cwmp.diagnostics': _('The diagnostics service (cwmp.diagnostics)'),
	'file': _('The router (rpcd)')
};

class Trouble extends Error {
	/* kind: 'down', 'late', 'denied', 'refused' or 'failed'; parameters: [{name, code, text}] */
	constructor(kind, text, parameters) {
		super(text);
		this.name = 'Trouble';
		this.kind = kind;
		this.parameters = parameters || [];
	}
}

function down(object) {
	return new Trouble('down', _('%s is not running. It may be restarting; this page goes on by itself.').format(who[object]));
}

function late(object) {
	return new Trouble('late', _('%s does not answer.').format(who[object]));
}

function denied() {
	return new Trouble('denied', _('Your login does not permit this.'));
}

function ofStatus(object, status) {
	switch (status) {
	case NOT_FOUND: return down(object);
	case TIMED_OUT: return late(object);
	case DENIED: return denied();
	default: return new Trouble('failed', _('%s answered with an error: %s').format(who[object], rpc.getStatusText(status)));
	}
}

function ofError(object, error) {
	/* the runtime tells an error of the web server by its message alone */
	const code = +(/failed with error (-\d+)/.exec(error?.message) || [])[1];

	switch (code) {
	case -32000: return down(object);
	case -32003: return late(object);
	case -32002: return denied();
	default: return new Trouble('failed', _('The router does not answer: %s').format(error?.message ?? error));
	}
}

function declare(object, method, params) {
	const send = rpc.declare({ object, method, params });

	return (...args) => send(...args).then(
		reply => {
			if (typeof(reply) == 'number' && reply != 0)
				throw ofStatus(object, reply);

			const data = L.isObject(reply) ? reply : {};

			if (L.isObject(data.fault))
				throw new Trouble('refused', '%s (%d)'.format(data.fault.text, data.fault.code), data.fault.parameters);

			return data;
		},
		error => { throw ofError(object, error) });
}

const callNames = declare('cwmp.datamodel', 'names', [ 'path', 'next_level', 'page' ]);
const callGet = declare('cwmp.datamodel', 'get', [ 'paths', 'page' ]);

const callExec = declare('file', 'exec', [ 'command', 'params' ]);

/* What `cwmp check` finds, step by step: [{step, result, text, fix}]; result is ok, WRONG or note. */
async function check() {
	const { stdout, stderr } = await callExec('/usr/bin/cwmp', [ 'check', '--json', '--timeout', '10' ]);

	try {
		return JSON.parse(stdout);
	}
	catch (error) {
		throw new Trouble('failed', _('The check could not be made: %s').format(stderr || error.message));
	}
}

/* A reply in pages, as one list. */
async function whole(call, key) {
	const found = [];

	for (let page = 0; page != null; ) {
		const reply = await call(page);
		found.push(...(reply[key] ?? []));
		page = reply.next > page ? reply.next : null;
	}

	return found;
}

return baseclass.extend({
	Trouble,

	status: declare('cwmp', 'status'),
	inform: declare('cwmp', 'inform', [ 'event' ]),
	history: declare('cwmp', 'history'),
	trace: declare('cwmp', 'trace', [ 'enable' ]),
	traced: declare('cwmp', 'traced', [ 'since' ]),

	check,

	/* [{name, writable}] */
	names: (path, nextLevel) => whole(page => callNames(path, nextLevel, page), 'names'),
	/* [{name, type, value}]; a path ending with a dot means all below it */
	get: paths => whole(page => callGet(paths, page), 'parameters'),
	set: declare('cwmp.datamodel', 'set', [ 'values', 'dry_run' ]),
	add: declare('cwmp.datamodel', 'add', [ 'object' ]),
	del: declare('cwmp.datamodel', 'del', [ 'object' ]),
	describe: declare('cwmp.datamodel', 'describe', [ 'path' ]),
	attributes: declare('cwmp.datamodel', 'attributes', [ 'paths' ]),
	modelStatus: declare('cwmp.datamodel', 'status'),

	transfers: declare('cwmp.firmware', 'status'),
	cancelTransfer: declare('cwmp.firmware', 'cancel', [ 'id' ]),
	modules: declare('cwmp.firmware', 'modules'),
	confirmTransfer: declare('cwmp.firmware', 'confirm', [ 'id' ]),

	tests: declare('cwmp.diagnostics', 'status'),
	runTest: declare('cwmp.diagnostics', 'run', [ 'type', 'args' ]),
	cancelTest: declare('cwmp.diagnostics', 'cancel', [ 'type' ]),

	/* The promise's outcome as a value: {data} or {trouble}. */
	settled: promise => promise.then(data => ({ data }), trouble => ({ trouble })),

	/* Whether the login may change anything here. */
	mayWrite: () => L.hasViewPermission() !== false,

	/* Give the calls of this page more time than the runtime does: some tests take as long as uhttpd lets them. */
	patience() {
		L.env.rpctimeout = 60;
	},

	/*
	 * Call `refresh` (a function that returns a promise) every `seconds`, 5 at least, and never while the page is
	 * hidden; when it is shown again, at once if one was missed. The first time is one interval from now.
	 */
	every(seconds, refresh) {
		const interval = Math.max(seconds, SHORTEST) * 1000;
		let last = Date.now(), busy = false;

		const tick = () => {
			if (document.hidden || busy || Date.now() - last < interval - 500)
				return Promise.resolve();

			busy = true;
			last = Date.now();
			return Promise.resolve(refresh()).finally(() => { busy = false });
		};

		document.addEventListener('visibilitychange', () => { if (poll.active()) tick() });
		poll.add(tick, interval / 1000);
	}
});

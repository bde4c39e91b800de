'use strict';
'require baseclass';

/* Calls of the bus by JSON-RPC; each goes out at once. */

const STATUS = [ 'Command OK', 'Invalid command', 'Invalid argument', 'Method not found', 'Resource not found', 'No data received', 'Permission denied', 'Request timeout', 'Not supported', 'Unspecified error', 'Connection lost' ];
let number = 1;

return baseclass.extend({
	getStatusText: status => STATUS[status] ?? 'Unknown error code',

	declare({ object, method, params, expect, reject }) {
		return async (...args) => {
			const named = Object.fromEntries((params ?? []).map((name, i) => [ name, args[i] ]));
			const body = { jsonrpc: '2.0', id: number++, method: 'call', params: [ L.env.sessionid, object, method, named ] };
			const reply = await fetch(L.env.ubuspath, { method: 'POST', body: JSON.stringify(body) });
			const message = await reply.json();

			if (message.error)
				throw new Error(`RPC call to ${object}/${method} failed with error ${message.error.code}: ${message.error.message}`);

			const [ status, data ] = message.result;

			if (reject && status != 0)
				throw new Error(`RPC call to ${object}/${method} failed with ubus code ${status}: ${this.getStatusText(status)}`);

			const key = Object.keys(expect ?? {})[0];
			return key == null ? data ?? status : data?.[key] ?? expect[key];
		};
	}
});

/* What every LuCI page has before its runtime: translation, and strings that format. A stand-in for tests. */

window._ = text => (window.TR && window.TR[text]) || text;

String.prototype.format = function(...args) {
	let next = 0;

	return this.replace(/%(%|(?:\.(\d+))?([sdm]))/g, (whole, what, digits, kind) => {
		if (what == '%')
			return '%';

		const value = args[next++];

		if (kind == 's')
			return String(value);
		if (kind == 'd')
			return String(Math.floor(+value) || 0);

		const units = [ '', 'k', 'M', 'G', 'T' ];
		let number = +value, unit = 0;

		while (number > 1000 && unit < units.length - 1) {
			number /= 1000;
			unit++;
		}

		return '%s %s'.format(number.toFixed(digits), units[unit]);
	});
};

'use strict';
'require baseclass';

/* The few datatypes that the pages use. */

const TYPES = {
	host: value => /^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?$/.test(value) || /^[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*$/.test(value) || _('valid hostname'),
	range: (value, low, high) => (/^-?[0-9.]+$/.test(value) && +value >= low && +value <= high) || _('value between %d and %d').format(low, high),
	maxlength: (value, length) => value.length <= length || _('value with at most %d characters').format(length)
};

return baseclass.extend({
	create(field, datatype, optional, check) {
		const [ , name, args ] = /^(\w*)(?:\((.*)\))?$/.exec(datatype ?? '');

		return {
			field,

			validate() {
				const value = field.value;

				if (value == '')
					this.error = optional ? '' : _('non-empty value');
				else {
					const answer = name ? TYPES[name](value, ...(args ?? '').split(',').map(Number)) : true;
					this.error = answer === true ? '' : _('Expecting: %s').format(answer);
				}

				if (!this.error && check) {
					const answer = check(value);
					this.error = answer === true ? '' : answer;
				}

				return this.error == '';
			}
		};
	}
});

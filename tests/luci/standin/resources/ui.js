'use strict';
'require baseclass';
'require dom';

/* Messages, modal dialogues, and the button that makes a saved configuration effective. */

const post = (...path) => fetch(L.url('admin', 'uci', ...path), { method: 'POST' });

return baseclass.extend({
	instantiateView: path => L.require('view.%s'.format(path.replaceAll('/', '.'))),

	addNotification(title, children, ...classes) {
		const message = E('div', { 'class': [ 'alert-message', ...classes ].join(' ') }, [
			E('button', { 'class': 'btn close', 'click': () => message.remove() }, [ _('Dismiss') ])
		]);

		if (title != null)
			message.appendChild(E('h4', {}, title));

		dom.append(message, children);
		document.getElementById('maincontent').prepend(message);
		return message;
	},

	showModal(title, children) {
		this.hideModal();

		const modal = E('div', { 'class': 'modal', 'role': 'dialog', 'aria-modal': 'true' }, [ E('h4', {}, title) ]);

		dom.append(modal, children);
		document.body.appendChild(E('div', { 'id': 'modal_overlay' }, [ modal ]));
		return modal;
	},

	hideModal() {
		document.getElementById('modal_overlay')?.remove();
	},

	changes: {
		async apply() {
			await post('apply_rollback');
			await post('confirm');
			window.location.reload();
		}
	}
});

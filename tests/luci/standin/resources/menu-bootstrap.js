'use strict';
'require baseclass';

/* The tabs above a page. */

return baseclass.extend({
	async __init__() {
		const tree = await (await fetch(L.url('admin/menu'))).json();
		const [ root, group, application, page ] = L.env.dispatchpath;
		const pages = Object.entries(tree.children[root].children[group].children[application].children);
		const menu = document.getElementById('tabmenu');

		pages.sort(([ , a ], [ , b ]) => a.order - b.order);
		menu.appendChild(E('ul', { 'class': 'tabs' }, pages.map(([ name, { title } ]) => E('li', { 'class': name == page ? 'active' : '' }, [
			E('a', { 'href': L.url(root, group, application, name) }, [ title ])
		]))));
		menu.style.display = '';
	}
});

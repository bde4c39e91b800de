'use strict';
'require baseclass';
'require dom';

/*
 * A list of any length of which only the rows in sight are in the document.
 *
 * Every row is as high as the stylesheet's --tr069-row says, so a row's place is its number times that. One row is
 * the current one: the keyboard moves it, and it keeps its number while rows come and go around it. The list is one
 * stop of the Tab key; the current row is told to screen readers by aria-activedescendant.
 */

const BEYOND = 6;

class List {
	/*
	 * render(row) gives what a row is made of: {kind, attributes, children}; `kind` is a class.
	 * onKey(key, row, number) is asked first about a key; true when it was its.
	 * onShown(rows) hears of the rows in sight, a moment after they last changed.
	 */
	constructor({ label, role, render, onKey, onShown }) {
		this.rows = [];
		this.current = 0;
		this.render = render;
		this.onKey = onKey;
		this.onShown = onShown;
		this.inner = E('div', { 'class': 'tr069-list-inner', 'role': 'presentation' });
		this.node = E('div', {
			'class': 'tr069-list', 'role': role, 'tabindex': 0, 'aria-label': label,
			'scroll': () => this.draw(), 'keydown': ev => this.key(ev)
		}, [ this.inner ]);

		new ResizeObserver(() => this.draw(true)).observe(this.node);
	}

	show(rows) {
		this.rows = rows;
		this.current = Math.max(0, Math.min(this.current, rows.length - 1));
		this.draw(true);
	}

	/* Make a row the current one and bring it into sight. */
	select(number) {
		if (!this.rows.length)
			return;

		this.current = Math.max(0, Math.min(number, this.rows.length - 1));

		const top = this.current * this.height(), bottom = top + this.height();

		if (top < this.node.scrollTop)
			this.node.scrollTop = top;
		else if (bottom > this.node.scrollTop + this.node.clientHeight)
			this.node.scrollTop = bottom - this.node.clientHeight;

		this.draw(true);
	}

	height() {
		return parseFloat(getComputedStyle(this.node).getPropertyValue('--tr069-row')) || 36;
	}

	draw(anew) {
		const height = this.height();
		const first = Math.max(0, Math.floor(this.node.scrollTop / height) - BEYOND);
		const last = Math.min(this.rows.length, Math.ceil((this.node.scrollTop + this.node.clientHeight) / height) + BEYOND);

		if (!anew && first == this.first && last == this.last)
			return;

		this.first = first;
		this.last = last;
		this.node.style.setProperty('--tr069-rows', this.rows.length);
		this.inner.style.height = '%dpx'.format(this.rows.length * height);

		dom.content(this.inner, this.rows.slice(first, last).map((row, i) => this.element(row, first + i, height)));

		if (this.rows.length)
			this.node.setAttribute('aria-activedescendant', 'tr069-row-%d'.format(this.current));
		else
			this.node.removeAttribute('aria-activedescendant');

		clearTimeout(this.soon);
		this.soon = setTimeout(() => this.onShown?.(this.rows.slice(first, last)), 150);
	}

	element(row, number, height) {
		const { kind, attributes, children } = this.render(row);

		return E('div', {
			'id': 'tr069-row-%d'.format(number),
			'class': 'tr069-row %s%s'.format(kind, number == this.current ? ' current' : ''),
			'style': 'transform: translateY(%dpx)'.format(number * height),
			'click': () => this.select(number),
			...attributes
		}, children);
	}

	key(ev) {
		if (ev.target != this.node || ev.ctrlKey || ev.altKey || ev.metaKey || !this.rows.length)
			return;

		const page = Math.max(1, Math.floor(this.node.clientHeight / this.height()) - 1);
		const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };

		if (this.onKey?.(ev.key, this.rows[this.current], this.current)) {
			ev.preventDefault();
		}
		else if (ev.key in moves) {
			ev.preventDefault();
			this.select(this.current + moves[ev.key]);
		}
	}
}

return baseclass.extend({ List });

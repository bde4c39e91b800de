'use strict';
'require baseclass';

/*
 * Round-trip times as they come in: one bar a packet, a mark for one that was lost. Throughput as it was: a line over
 * time. Inline SVG, no library.
 */

const WIDTH = 720, HEIGHT = 220, LEFT = 56, SPEED = 84, RIGHT = 8, TOP = 12, BOTTOM = 28;

function svg(name, attributes, children) {
	const element = document.createElementNS('http://www.w3.org/2000/svg', name);

	for (const key in attributes)
		element.setAttribute(key, attributes[key]);

	for (const child of children ?? [])
		element.append(child);

	return element;
}

/* The least of 1, 2, 5, 10, 20 ... that is no less than `value`. */
function roundUp(value) {
	const power = 10 ** Math.floor(Math.log10(value));
	return [ 1, 2, 5, 10 ].map(n => n * power).find(n => n >= value * 0.9999);
}

function shown(ms) {
	return ms >= 10 ? ms.toFixed(0) : ms >= 1 ? ms.toFixed(1) : ms.toFixed(3).replace(/0+$/, '').replace(/\.$/, '');
}

/* Lines at nothing, half and all of `top`, and what they stand for; right of `left`. */
function scale(left, y, top, unit) {
	return [ 0, 0.5, 1 ].flatMap(part => [
		svg('line', { 'class': 'grid', x1: left, x2: WIDTH - RIGHT, y1: y(top * part), y2: y(top * part) }),
		svg('text', { x: left - 6, y: y(top * part) + 4, 'text-anchor': 'end' }, [ '%s %s'.format(shown(top * part), unit) ])
	]);
}

/* rates: bytes a second, one every `interval` seconds. */
function throughput(rates, interval) {
	const speeds = rates.map(rate => rate * 8 / 1e6);
	const top = roundUp(Math.max(0.01, ...speeds));
	const width = WIDTH - SPEED - RIGHT, height = HEIGHT - TOP - BOTTOM;
	const x = i => SPEED + width * i / Math.max(speeds.length - 1, 1), y = value => TOP + height * (1 - value / top);
	const parts = scale(SPEED, y, top, 'Mbit/s');
	const at = (i, value) => '%s,%s'.format(x(i).toFixed(1), y(value).toFixed(1));
	const line = speeds.map((speed, i) => at(i, speed));

	parts.push(svg('polygon', { 'class': 'area', points: [ at(0, 0), ...line, at(speeds.length - 1, 0) ].join(' ') }));
	parts.push(svg('polyline', { 'class': 'line', points: line.join(' ') }));
	parts.push(svg('text', { x: SPEED, y: HEIGHT - 8, 'text-anchor': 'start' }, [ _('%d s ago').format(speeds.length * interval) ]));
	parts.push(svg('text', { x: WIDTH - RIGHT, y: HEIGHT - 8, 'text-anchor': 'end' }, [ _('now') ]));

	return svg('svg', {
		'class': 'tr069-chart', viewBox: '0 0 %d %d'.format(WIDTH, HEIGHT), role: 'img',
		'aria-label': _('Throughput: %s Mbit/s at last, %s at most').format(shown(speeds[speeds.length - 1] ?? 0), shown(Math.max(0, ...speeds)))
	}, parts);
}

/* times: in ms, null for a lost packet; room: how many there will be. */
function chart(times, room) {
	const answered = times.filter(time => time != null);
	const top = roundUp(Math.max(0.01, ...answered));
	const width = WIDTH - LEFT - RIGHT, height = HEIGHT - TOP - BOTTOM;
	const step = width / Math.max(room, times.length, 1), bar = Math.max(1, Math.min(step * 0.7, 28));
	const y = value => TOP + height * (1 - value / top);
	const parts = scale(LEFT, y, top, 'ms');

	times.forEach((time, i) => {
		const x = LEFT + step * (i + 0.5);

		if (time == null)
			parts.push(svg('text', { 'class': 'lost', x, y: TOP + height - 6, 'text-anchor': 'middle' }, [ '✕', svg('title', {}, [ _('%d: no answer').format(i + 1) ]) ]));
		else
			parts.push(svg('rect', { 'class': 'bar', x: x - bar / 2, y: y(time), width: bar, height: Math.max(1, TOP + height - y(time)), rx: 2 }, [
				svg('title', {}, [ _('%d: %s ms').format(i + 1, shown(time)) ])
			]));
	});

	if (answered.length) {
		const mean = answered.reduce((sum, time) => sum + time, 0) / answered.length;
		parts.push(svg('line', { 'class': 'mean', x1: LEFT, x2: WIDTH - RIGHT, y1: y(mean), y2: y(mean) }));
	}

	const every = Math.max(1, Math.ceil(Math.max(room, times.length) / 12));

	for (let i = 0; i < Math.max(room, times.length); i += every)
		parts.push(svg('text', { x: LEFT + step * (i + 0.5), y: HEIGHT - 8, 'text-anchor': 'middle' }, [ String(i + 1) ]));

	return svg('svg', {
		'class': 'tr069-chart', viewBox: '0 0 %d %d'.format(WIDTH, HEIGHT), role: 'img',
		'aria-label': _('Round-trip times: %d answered, %d lost').format(answered.length, times.length - answered.length)
	}, parts);
}

return baseclass.extend({ chart, throughput, shown });

// The server's counters as small plots. They are read every two seconds while they are looked at, and kept as long.
import { h, s, put, section } from './dom.js'
import { get, every } from './api.js'
import { bytes, number } from './words.js'

const ms = 2000
const most = 150 // points

// total adds up what a metric says, of those of its labels that pick lets through.
function total(stats, name, pick = () => true, of = (v) => v) {
  const value = stats[`caddy_sync_${name}`]
  if (value === undefined) return 0
  const list = Array.isArray(value) ? value : [{ labels: {}, value }]
  return list.filter((v) => pick(v.labels)).reduce((sum, v) => sum + of(v.value), 0)
}

const count = (v) => v.count ?? v
const rate = (read) => ({ read, rate: true })

// plots are what is drawn: a rate is per second, anything else as it is.
const plots = [
  { name: 'Requests a second', ...rate((x) => total(x, 'request_seconds', undefined, count)) },
  { name: 'Time of a request, in ms', ratio: [(x) => 1000 * total(x, 'request_seconds', undefined, (v) => v.sum ?? 0), (x) => total(x, 'request_seconds', undefined, count)] },
  { name: 'Requests refused or failed a second', ...rate((x) => total(x, 'request_failures_total')) },
  { name: 'Live feeds and replications', read: (x) => total(x, 'live_feeds') },
  { name: 'Documents written a second', ...rate((x) => total(x, 'document_writes_total')) },
  { name: 'Writes in conflict a second', ...rate((x) => total(x, 'document_conflicts_total')) },
  { name: 'Writes refused by policies a second', ...rate((x) => total(x, 'document_rejections_total')) },
  { name: 'Commits a second', ...rate((x) => total(x, 'commits_total')) },
  { name: 'Couchbase Lite, bytes a second', ...rate((x) => total(x, 'lite_bytes_total')), unit: bytes },
  { name: 'Credentials refused a second', ...rate((x) => total(x, 'auth_failures_total')) },
  { name: 'Space of the store', read: (x) => total(x, 'store_disk_bytes'), unit: bytes },
  { name: 'Free space', read: (x) => total(x, 'store_free_bytes'), unit: bytes },
]

export async function metrics(_, { signal, fail }) {
  const grid = h('div', { class: 'plots' })
  const measuring = h('p', { class: 'empty' }, 'Measuring …')
  const series = plots.map(() => [])
  let before
  const read = async () => {
    const now = { at: performance.now(), stats: await get(['_stats'], undefined, signal) }
    if (before) {
      plots.forEach((p, i) => add(series[i], pointOf(p, before, now)))
      put(grid, plots.map((p, i) => plot(p, series[i])))
      measuring.remove()
    }
    before = now
  }
  await read()
  every(ms, signal, read).catch(fail)
  return [h('h1', null, 'Metrics'), measuring, grid, section('More', h('p', null, 'Caddy exports all counters for Prometheus at ', h('code', null, '/metrics'), ' of its admin endpoint, which is where ', h('code', null, 'admin'), ' in the Caddyfile says. What is drawn here begins when the page is opened, and is kept for five minutes. The console’s own request every two seconds is among the requests.'))]
}

function add(list, point) {
  list.push(point)
  if (list.length > most) list.shift()
}

function pointOf(p, before, now) {
  const difference = (read) => Math.max(0, read(now.stats) - read(before.stats))
  if (p.ratio) {
    const [sum, n] = p.ratio.map(difference)
    return n === 0 ? 0 : sum / n
  }
  return p.rate ? (1000 * difference(p.read)) / (now.at - before.at) : p.read(now.stats)
}

const [width, height] = [260, 64]

function plot(p, points) {
  const say = p.unit ?? number
  const top = Math.max(...points, 0)
  const words = say(points.at(-1))
  const x = (i) => width - (points.length - 1 - i) * (width / (most - 1))
  const y = (v) => height - 3 - (top === 0 ? 0 : (v / top) * (height - 8))
  const line = points.map((v, i) => `${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join('L')
  return h('figure', { class: 'plot' },
    h('figcaption', null, p.name), h('b', null, words),
    s('svg', { viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${p.name}: now ${words}, at most ${say(top)}`, preserveAspectRatio: 'none' },
      points.length > 1 && [s('path', { class: 'area', d: `M${x(0).toFixed(1)} ${height}L${line}L${width} ${height}Z` }), s('path', { class: 'line', d: `M${line}` })]),
    h('small', null, `at most ${say(top)}`))
}

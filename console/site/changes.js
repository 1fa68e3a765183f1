// What changes in a collection, as it happens: the newest documents. The list is bounded, and so is what is asked: however much
// is written, the newest rows are read once a second at most.
import { h, put, redraw, table, button } from './dom.js'
import { get, passOver, pause } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere, short } from './documents.js'

const most = 50

export async function changes(_, { signal, fail }) {
  const keyspace = keyspaceHere()
  const list = h('div')
  const live = h('span', { class: 'badge good' }, 'live')
  let paused = false
  let rows = []
  const newest = async () => (await get([keyspace, '_changes'], { descending: true, limit: most }, signal)).results
  const draw = (fresh) => {
    const known = new Set(rows.map((r) => String(r.seq)))
    const first = rows.length === 0
    rows = fresh
    redraw(list, table('Changes, the newest first',
      [{ name: 'Sequence' }, { name: 'Document' }, { name: 'Revision', wide: true }, { name: 'State' }],
      rows.map((r) => [String(r.seq), h('a', { class: !first && !known.has(String(r.seq)) ? 'name fresh' : 'name', href: link('db', keyspace, 'doc', r.id) }, r.id),
        h('code', { class: 'rev' }, short(r.changes[0].rev)), r.deleted ? h('span', { class: 'badge' }, 'deleted') : h('span', { class: 'badge good' }, 'stored')]),
      'Nothing has changed yet.'))
  }
  draw(await newest())
  follow(keyspace, () => rows[0]?.seq ?? 0, signal, async () => { if (!paused) draw(await newest()) }).catch(fail)
  const stop = button('Pause', async () => {
    paused = !paused
    put(stop, paused ? 'Go on' : 'Pause')
    put(live, paused ? 'paused' : 'live')
    if (!paused) draw(await newest())
  })
  return [
    h('h1', null, `Changes of ${titleOf(keyspace)}`),
    h('p', { class: 'buttons' }, live, stop),
    h('div', { class: 'card' }, list),
    h('p', { class: 'empty' }, `The ${most} documents that changed last. A document is listed once, with its newest revision.`),
  ]
}

// follow calls told soon after something has changed.
async function follow(keyspace, since, signal, told) {
  while (!signal.aborted) {
    try {
      const from = since()
      const { results } = await get([keyspace, '_changes'], { feed: 'longpoll', since: from, limit: 1, timeout: 30000 }, signal)
      if (results.length > 0 && document.visibilityState === 'visible') await told()
    } catch (err) {
      if (signal.aborted) return
      passOver(err)
    }
    await pause(1000, signal)
  }
}

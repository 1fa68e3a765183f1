// The databases of the site, with counts that move.
import { h, put, redraw, table, field } from './dom.js'
import { get, every } from './api.js'
import { link, keyspaceOf, titleOf } from './address.js'
import { number } from './words.js'

const page = 25

const columns = [
  { name: 'Database' }, { name: 'Documents', number: true }, { name: 'Deleted', number: true, wide: true },
  { name: 'Changes', number: true }, { name: 'Live feeds', number: true, wide: true }, { name: 'State' },
]

export async function databases(_, { signal, fail, query }) {
  const list = h('div')
  const pager = h('p', { class: 'buttons' })
  const search = h('input', { type: 'search', value: query.prefix ?? '', spellcheck: 'false', autocapitalize: 'none' })
  const find = (e) => {
    e.preventDefault()
    location.hash = link({ prefix: search.value })
  }
  const version = h('p', { class: 'empty' })
  const read = async () => {
    const status = await get(['_status'], { startkey: query.from ?? query.prefix, limit: page + 1 }, signal)
    const names = Object.keys(status.databases).sort().filter((name) => name.startsWith(query.prefix ?? ''))
    redraw(list, table('Databases', columns, names.slice(0, page).map((name) => row(name, status.databases[name])), 'No database.'))
    put(pager,
      query.from && h('a', { class: 'button', href: link({ prefix: query.prefix }) }, 'First page'),
      names.length > page && h('a', { class: 'button', href: link({ prefix: query.prefix, from: names[page] }) }, 'Next page'))
    put(version, `${status.version}, ${status.state}`)
  }
  await read()
  every(2000, signal, read).catch(fail)
  return [
    h('h1', null, 'Databases'),
    h('form', { class: 'search', role: 'search', onsubmit: find }, field('Name begins with', search), h('button', { type: 'submit' }, 'Find')),
    h('div', { class: 'card' }, list, pager),
    version,
  ]
}

// changesOf is how often something changed since a database began. Each begins its sequences at another multiple of 2³².
const changesOf = (seq) => seq % 2 ** 32

function row(name, db) {
  const others = db.collections.filter((c) => c !== '_default._default')
  return [
    [h('a', { class: 'name', href: link('db', name) }, name),
      others.length > 0 && h('ul', { class: 'collections', 'aria-label': `Collections of ${name}` }, others.map((c) => {
        const keyspace = keyspaceOf(name, c)
        return h('li', null, h('a', { href: link('db', keyspace) }, titleOf(keyspace).slice(name.length + 3)))
      }))],
    number(db.doc_count), number(db.doc_del_count), h('span', { title: `Sequence ${number(db.seq)}` }, number(changesOf(db.seq))), number(db.feeds),
    h('span', { class: db.state === 'Online' ? 'badge good' : 'badge bad' }, db.state.toLowerCase(), db.compact_running && ', compacting'),
  ]
}

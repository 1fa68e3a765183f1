// The documents of a collection by ID, a page at a time.
import { h, put, table, field } from './dom.js'
import { at, get, send } from './api.js'
import { link, titleOf } from './address.js'
import { number } from './words.js'

const page = 50
const last = '\u{10ffff}'

export async function documents([], { signal, query }) {
  const keyspace = keyspaceHere()
  const { rows, total, before, after } = await read(keyspace, query, signal)
  const prefix = h('input', { type: 'search', value: query.prefix ?? '', spellcheck: 'false', autocapitalize: 'none' })
  const find = (e) => {
    e.preventDefault()
    location.hash = link('db', keyspace, 'docs', { prefix: prefix.value })
  }
  const beginnings = new Map(rows.map(({ id }) => [id, h('small', { class: 'beginning' })]))
  begin(keyspace, rows, beginnings, signal).catch(() => {}) // the list is good without
  return [
    h('h1', null, `Documents of ${titleOf(keyspace)}`),
    h('form', { class: 'search', role: 'search', onsubmit: find }, field('ID begins with', prefix), h('button', { type: 'submit' }, 'Find')),
    h('div', { class: 'card' },
      table(`Documents of ${keyspace}`, [{ name: 'ID' }, { name: 'Revision' }], rows.map(({ id, value }) => [
        [h('a', { class: 'name', href: link('db', keyspace, 'doc', id) }, id), beginnings.get(id)], h('code', { class: 'rev', title: value.rev }, short(value.rev))]),
      query.prefix ? 'No document has an ID that begins so.' : 'No document is here yet.'),
      h('p', { class: 'buttons' },
        before && h('a', { class: 'button', href: link('db', keyspace, 'docs', { prefix: query.prefix, before: rows[0].id }) }, 'Previous page'),
        after && h('a', { class: 'button', href: link('db', keyspace, 'docs', { prefix: query.prefix, after: rows.at(-1).id }) }, 'Next page')),
      h('p', { class: 'empty' }, `${number(total)} documents in all`)),
  ]
}

// begin fills in how the documents of a page begin. Documents may be large: no more is read than
// a page of small ones has.
const [length, most] = [60, 48 * 1024]

async function begin(keyspace, rows, beginnings, signal) {
  if (rows.length === 0) return
  const query = { include_docs: true, limit: rows.length, startkey: json(rows[0].id), endkey: json(rows.at(-1).id) }
  const reader = (await send(at([keyspace, '_all_docs'], query), { signal })).body.pipeThrough(new TextDecoderStream()).getReader()
  let [text, read] = ['', 0]
  for (;;) {
    const { value, done } = await reader.read()
    if (done) return
    read += value.length
    const lines = (text + value).split('\n') // a row each
    text = lines.pop()
    for (const line of lines.filter((line) => line.startsWith('{"id"'))) {
      const { id, doc } = JSON.parse(line.replace(/,$/, ''))
      put(beginnings.get(id) ?? h('small'), beginning(doc))
    }
    if (read > most) return reader.cancel()
  }
}

function beginning(doc) {
  const words = Object.entries(doc ?? {}).filter(([name]) => !name.startsWith('_')).map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`).join(', ')
  return words.length > length ? `${words.slice(0, length)}…` : words
}

// keyspaceHere is the one that the address names.
export const keyspaceHere = () => decodeURIComponent(location.hash.split(/[/?]/)[2])

// short is a revision of which the digest is cut.
export const short = (rev) => rev.replace(/^(\d+-.{8}).{4,}$/, '$1…')

// read asks for one more than a page: whether there is more.
async function read(keyspace, { prefix = '', after, before }, signal) {
  const back = before !== undefined
  const [low, high] = [after ?? prefix, prefix ? prefix + last : undefined]
  const answer = await get([keyspace, '_all_docs'], {
    limit: page + 1, descending: back || '',
    startkey: json(back ? before : low), endkey: json(back ? prefix : high),
    skip: (after ?? before) === undefined ? '' : 1,
  }, signal)
  const more = answer.rows.length > page
  const rows = answer.rows.slice(0, page)
  if (back) rows.reverse()
  return { rows, total: answer.total_rows, before: rows.length > 0 && (back ? more : after !== undefined), after: rows.length > 0 && (back || more) }
}

const json = (text) => (text ? JSON.stringify(text) : undefined)

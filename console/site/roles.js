// The roles of a database, and one of them.
import { h, table, section, field, button, busy, confirmed } from './dom.js'
import { get, post, put as store, remove } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere } from './documents.js'
import { words } from './users.js'

export async function roles(_, { signal, readOnly, refresh }) {
  const db = keyspaceHere()
  const names = await get([db, '_role', ''], undefined, signal)
  return [
    h('h1', null, `Roles of ${titleOf(db)}`),
    h('div', { class: 'card' }, table('Roles', [{ name: 'Role' }], names.map((name) => [h('a', { class: 'name', href: link('db', db, 'role', name) }, name)]), 'No role.')),
    !readOnly && section('New role', roleForm(db, undefined, refresh)),
  ]
}

export async function role([, name], { signal, readOnly, refresh }) {
  const db = keyspaceHere()
  const r = await get([db, '_role', name], undefined, signal)
  const given = new Set(r.admin_channels ?? [])
  const rows = r.all_channels.filter((c) => c !== '!').map((c) => [h('b', { class: 'id' }, c), given.has(c) ? 'given by an administrator' : 'given by a document'])
  return [
    h('p', { class: 'path' }, h('a', { href: link('db', db, 'roles') }, `Roles of ${titleOf(db)}`)),
    h('h1', { class: 'id' }, name),
    section('Channels', table('Channels', [{ name: 'Channel' }, { name: 'By' }], rows, 'None.'), others(r)),
    !readOnly && section('Change', roleForm(db, r, refresh), h('p', { class: 'buttons' }, button('Delete', () => deleteRole(db, name), { class: 'danger' }))),
  ]
}

// others are the channels of collections besides the default one.
function others({ collection_access: all = {} }) {
  const rows = Object.entries(all).flatMap(([scope, collections]) => Object.entries(collections).map(([name, c]) => [`${scope}.${name}`, (c.all_channels ?? []).filter((x) => x !== '!').join(', ')]))
  return rows.length > 0 && table('Channels of collections', [{ name: 'Collection' }, { name: 'Channels' }], rows)
}

async function deleteRole(db, name) {
  if (!(await confirmed(`Delete ${name}?`, 'Whoever has the role has nothing by it any more.', 'Delete'))) return
  await remove([db, '_role', name])
  location.hash = link('db', db, 'roles')
}

function roleForm(db, r, refresh) {
  const input = (value) => h('input', { type: 'text', value: value ?? '', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' })
  const name = input()
  name.required = true
  const channels = input(r?.admin_channels?.join(', '))
  const submit = h('button', { type: 'submit', class: 'primary' }, r ? 'Save' : 'Make role')
  const save = (e) => {
    e.preventDefault()
    busy(submit, async () => {
      const body = { admin_channels: words(channels.value) }
      if (r) await store([db, '_role', r.name], body)
      else await post([db, '_role', ''], { ...body, name: name.value })
      refresh()
    })
  }
  return h('form', { class: 'grid', onsubmit: save },
    !r && field('Name', name),
    field('Channels', channels, 'Of the default collection, with commas between them.'),
    h('p', { class: 'buttons' }, submit))
}

// The roles of a database, and one of them.
import { h, table, section, field, button, busy, confirmed } from './dom.js'
import { get, post, put as store, remove } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere } from './documents.js'
import { channelFields, collectionsOf } from './collections.js'
import { channelTable } from './users.js'

export async function roles(_, { signal, readOnly, refresh }) {
  const db = keyspaceHere()
  const [names, collections] = await Promise.all([get([db, '_role', ''], undefined, signal), readOnly ? [] : collectionsOf(db, signal)])
  return [
    h('h1', null, `Roles of ${titleOf(db)}`),
    h('div', { class: 'card' }, table('Roles', [{ name: 'Role' }], names.map((name) => [h('a', { class: 'name', href: link('db', db, 'role', name) }, name)]), 'No role.')),
    !readOnly && section('New role', roleForm(db, collections, undefined, refresh)),
  ]
}

export async function role([, name], { signal, readOnly, refresh }) {
  const db = keyspaceHere()
  const path = [db, '_role', name]
  const [r, all, collections] = await Promise.all([get(path, undefined, signal), get([...path, '_all_channels'], undefined, signal), readOnly ? [] : collectionsOf(db, signal)])
  return [
    h('p', { class: 'path' }, h('a', { href: link('db', db, 'roles') }, `Roles of ${titleOf(db)}`)),
    h('h1', { class: 'id' }, name),
    section('Channels', channelTable(all.all_channels)),
    !readOnly && section('Change', roleForm(db, collections, r, refresh), h('p', { class: 'buttons' }, button('Delete', () => deleteRole(db, name), { class: 'danger' }))),
  ]
}

async function deleteRole(db, name) {
  if (!(await confirmed(`Delete ${name}?`, 'Whoever has the role has nothing by it any more.', 'Delete'))) return
  await remove([db, '_role', name])
  location.hash = link('db', db, 'roles')
}

function roleForm(db, collections, r, refresh) {
  const name = h('input', { type: 'text', required: true, autocomplete: 'off', spellcheck: 'false', autocapitalize: 'none' })
  const channels = channelFields(db, collections, r)
  const submit = h('button', { type: 'submit', class: 'primary' }, r ? 'Save' : 'Make role')
  const save = (e) => {
    e.preventDefault()
    busy(submit, async () => {
      const body = channels.read()
      if (r) await store([db, '_role', r.name], body)
      else await post([db, '_role', ''], { ...body, name: name.value })
      refresh()
    })
  }
  return h('form', { class: 'grid', onsubmit: save },
    !r && field('Name', name),
    channels.fields,
    h('p', { class: 'buttons' }, submit))
}

// The users of a database, and one of them with channels, sessions and connections.
import { h, redraw, table, section, field, button, busy, confirmed } from './dom.js'
import { get, post, put as store, remove, every } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere } from './documents.js'
import { connectionTable, endSession } from './connections.js'
import { grantWords, plain } from './grants.js'
import { age, time } from './words.js'

const page = 50

export async function users(_, { signal, readOnly, query, refresh }) {
  const db = keyspaceHere()
  const listed = await get([db, '_user', ''], { name_only: false, limit: page + 1, startkey: query.from ?? query.prefix }, signal)
  const rows = listed.filter((u) => u.name.startsWith(query.prefix ?? ''))
  const prefix = h('input', { type: 'search', value: query.prefix ?? '', spellcheck: 'false', autocapitalize: 'none' })
  const find = (e) => {
    e.preventDefault()
    location.hash = link('db', db, 'users', { prefix: prefix.value })
  }
  return [
    h('h1', null, `Users of ${titleOf(db)}`),
    h('form', { class: 'search', role: 'search', onsubmit: find }, field('Name begins with', prefix), h('button', { type: 'submit' }, 'Find')),
    h('div', { class: 'card' },
      table('Users', [{ name: 'Name' }, { name: 'E-mail', wide: true }, { name: 'State' }], rows.slice(0, page).map((u) => [
        h('a', { class: 'name', href: link('db', db, 'user', u.name) }, u.name), u.email, stateOf(u)]), 'No user.'),
      h('p', { class: 'buttons' },
        query.from && h('a', { class: 'button', href: link('db', db, 'users', { prefix: query.prefix }) }, 'First page'),
        rows.length > page && h('a', { class: 'button', href: link('db', db, 'users', { prefix: query.prefix, from: rows[page].name }) }, 'Next page'))),
    !readOnly && section('New user', userForm(db, undefined, refresh)),
  ]
}

const stateOf = (u) => (u.disabled ? h('span', { class: 'badge bad' }, 'disabled') : h('span', { class: 'badge good' }, 'enabled'))

export async function user([, name], { signal, readOnly, refresh, fail }) {
  const db = keyspaceHere()
  const guest = name === 'GUEST'
  const path = [db, '_user', name]
  const [u, all, held] = await Promise.all([
    get(path, undefined, signal),
    get([...path, '_all_channels'], undefined, signal),
    guest ? { sessions: [] } : get([...path, '_session'], undefined, signal),
  ])
  const open = h('div')
  const read = async () => redraw(open, await connectionTable(db, { user: guest ? '' : name }, readOnly, signal))
  await read()
  every(2000, signal, read).catch(fail)
  return [
    h('p', { class: 'path' }, h('a', { href: link('db', db, 'users') }, `Users of ${titleOf(db)}`)),
    h('h1', { class: 'id' }, name),
    h('p', { class: 'facts' }, stateOf(u), u.email && h('span', null, u.email), h('span', null, u.password_set ? 'has a password' : 'has no password'),
      (u.identities ?? []).map((i) => h('span', null, 'signs in as ', h('b', null, i.subject), ' at ', i.issuer))),
    h('div', { class: 'columns' },
      h('div', null,
        section('Channels', channelTable(all.all_channels)),
        section('Roles', roleTable(db, all.roles))),
      h('div', null,
        section('Sessions', sessionTable(db, name, held.sessions, readOnly, refresh)),
        section('Connections', open))),
    !readOnly && !guest && section('Change', userForm(db, u, refresh), h('p', { class: 'buttons' },
      button(u.disabled ? 'Enable' : 'Disable', () => disable(path, u, refresh)),
      button('Delete', () => deleteUser(path, db, name), { class: 'danger' }))),
  ]
}

// channelTable lists channels by collection, with who gave each.
export function channelTable(all) {
  const rows = []
  for (const [scope, collections] of Object.entries(all)) {
    for (const [collection, channels] of Object.entries(collections)) {
      for (const [channel, by] of Object.entries(channels)) rows.push([h('b', { class: 'id' }, channel), whereabouts(scope, collection), h('ul', { class: 'plain' }, by.map((g) => h('li', null, grantWords(g))))])
    }
  }
  return table('Channels', [{ name: 'Channel' }, { name: 'Collection', wide: true }, { name: 'By' }], rows, 'None but “!”, which is everybody’s.')
}

const whereabouts = (scope, collection) => (scope === '*' ? 'all' : plain(`.${scope}.${collection}`).slice(1) || 'the default one')

const roleTable = (db, roles) => table('Roles', [{ name: 'Role' }, { name: 'By' }], Object.entries(roles).map(([role, by]) => [
  h('a', { class: 'name', href: link('db', db, 'role', role) }, role), h('ul', { class: 'plain' }, by.map((g) => h('li', null, grantWords(g))))]), 'None.')

function sessionTable(db, name, sessions, readOnly, refresh) {
  const end = async (handle) => {
    await endSession(db, name, handle)
    refresh()
  }
  const endAll = async () => {
    if (!(await confirmed('End all sessions?', `${name} is signed out everywhere within a second, and the tokens issued so far are refused.`, 'End all'))) return
    await remove([db, '_user', name, '_session'])
    refresh()
  }
  return [
    table('Sessions', [{ name: 'Made' }, { name: 'From' }, { name: 'Used', wide: true }, { name: 'Until', wide: true }, { name: 'End', act: true }],
      sessions.map((s) => [
        [h('time', { datetime: s.created }, time(s.created)), h('small', null, ' by ', s.provider ?? ways[s.method])], s.address && [s.address, h('small', { class: 'agent' }, ' ', s.user_agent)],
        `${age(s.last_used)} ago`, h('time', { datetime: s.expires }, time(s.expires)), !readOnly && button('End', () => end(s.handle))]), 'No session.', true),
    !readOnly && sessions.length > 0 && h('p', { class: 'buttons' }, button('End all sessions', endAll, { class: 'danger' })),
  ]
}

async function disable(path, u, refresh) {
  if (!u.disabled && !(await confirmed(`Disable ${u.name}?`, 'Everything that the user has open ends within a second, and no sign-in works until the user is enabled.', 'Disable'))) return
  await store(path, { disabled: !u.disabled })
  refresh()
}

async function deleteUser(path, db, name) {
  if (!(await confirmed(`Delete ${name}?`, 'The user and all sessions are gone. Documents stay.', 'Delete'))) return
  await remove(path)
  location.hash = link('db', db, 'users')
}

const ways = { admin: 'an administrator', basic: 'password', bearer: 'token' }

// words splits a list as people write it.
export const words = (text) => text.split(/[,\n]/).map((w) => w.trim()).filter(Boolean)

// userForm makes a user, or changes what an administrator gave one.
function userForm(db, u, refresh) {
  const input = (type, value) => h('input', { type, value: value ?? '', autocomplete: type === 'password' ? 'new-password' : 'off', spellcheck: 'false', autocapitalize: 'none' })
  const name = input('text')
  name.required = true
  const email = input('email', u?.email)
  const password = input('password')
  const channels = input('text', u?.admin_channels?.join(', '))
  const roles = input('text', u?.admin_roles?.join(', '))
  const submit = h('button', { type: 'submit', class: 'primary' }, u ? 'Save' : 'Make user')
  const save = (e) => {
    e.preventDefault()
    busy(submit, async () => {
      const body = { email: email.value, admin_channels: words(channels.value), admin_roles: words(roles.value) }
      if (password.value) body.password = password.value
      if (u) await store([db, '_user', u.name], body)
      else await post([db, '_user', ''], { ...body, name: name.value })
      refresh()
    })
  }
  return h('form', { class: 'grid', onsubmit: save },
    !u && field('Name', name),
    field('E-mail', email),
    field('Channels', channels, 'Of the default collection, with commas between them.'),
    field('Roles', roles, 'With commas between them.'),
    field('Password', password, u ? 'Leave it empty to keep what there is. A new one ends all sessions.' : 'Only where the database has password_auth.'),
    h('p', { class: 'buttons' }, submit))
}

// Who follows a database now, and what they have got of it.
import { h, redraw, table, button, confirmed } from './dom.js'
import { get, remove, every } from './api.js'
import { link, titleOf } from './address.js'
import { keyspaceHere } from './documents.js'
import { plain } from './grants.js'
import { age, number, time } from './words.js'

const most = 50

const kinds = { longpoll: 'longpoll feed', continuous: 'continuous feed', websocket: 'Couchbase Lite 1', blip: 'Couchbase Lite' }

export async function connections(_, { signal, fail, readOnly }) {
  const db = keyspaceHere()
  const list = h('div')
  const read = async () => redraw(list, await connectionTable(db, {}, readOnly, signal))
  await read()
  every(2000, signal, read).catch(fail)
  return [
    h('h1', null, `Connections to ${titleOf(db)}`),
    h('div', { class: 'card' }, list),
    h('p', { class: 'empty' }, 'Live feeds and replications that are open at this moment. Requests that are answered at once are not among them; longpolls come and go.'),
  ]
}

// connectionTable are those of a database that a query picks.
export async function connectionTable(db, query, readOnly, signal) {
  const { total, connections } = await get([db, '_connections'], { ...query, limit: most }, signal)
  return [
    table('Connections', [
      { name: 'Who' }, { name: 'From', wide: true }, { name: 'Open for' },
      { name: 'Sent', number: true }, { name: 'Received', number: true, wide: true }, { name: 'End', act: true },
    ], connections.map((c) => [
      [who(db, c), h('small', null, ' ', [kinds[c.kind], ...c.keyspaces.map((k) => titleOf(plain(k)))].join(' · '))],
      [c.address || 'this machine', h('small', { class: 'agent' }, ' ', c.user_agent)],
      h('time', { datetime: c.since, title: time(c.since) }, age(c.since)),
      [number(c.sent), c.caught_up ? h('small', null, ' all there is') : null], number(c.received),
      !readOnly && c.session && c.user && button('End', () => endSession(db, c.user, c.session), { 'aria-label': `End the session of ${c.user}` }),
    ]), 'Nobody is connected.', true),
    total > connections.length && h('p', { class: 'empty' }, `The newest ${number(connections.length)} of ${number(total)}.`),
  ]
}

function who(db, c) {
  if (c.user) return h('a', { class: 'name', href: link('db', db, 'user', c.user) }, c.user)
  return c.method === 'guest' ? 'a guest' : 'an administrator'
}

export async function endSession(db, user, handle) {
  if (await confirmed('End the session?', `What ${user} has open with it ends within a second, and they have to sign in again.`, 'End session')) {
    await remove([db, '_user', user, '_session', handle])
  }
}

// Who gave somebody a channel or a role.
import { h } from './dom.js'
import { link } from './address.js'
import { number } from './words.js'

const givers = { admin: 'given by an administrator', token: 'given by the token' }

// grantWords says in words and links by whom, by which role, and since when.
export function grantWords(g) {
  return [
    g.by === 'document' ? ['given by the document ', h('a', { href: link('db', plain(g.keyspace), 'doc', g.document) }, g.document)] : givers[g.by] ?? g.by,
    g.role && [' to the role ', h('b', null, g.role)],
    h('small', null, ` since sequence ${number(g.since)}`),
  ]
}

// plain leaves the default collection out of a keyspace.
export const plain = (keyspace) => keyspace.replace(/\._default\._default$/, '')

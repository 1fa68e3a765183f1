// PouchDB as an app sets it up.
import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import PouchDB from 'pouchdb'
import memory from 'pouchdb-adapter-memory'

PouchDB.plugin(memory)

export { PouchDB }

const folder = mkdtempSync(join(process.env.SCRATCH ?? tmpdir(), 'pouch-'))
let count = 0

// local is an empty database on this client, with the adapter that the test names.
export function local(name = 'db') {
  return new PouchDB(join(folder, `${name}-${++count}`), { adapter: process.env.ADAPTER ?? 'memory' })
}

// remote is the server's database. credentials is a function that gives the ID token of
// the moment, or undefined where a cookie signs in. seen, if given, is told each request.
export function remote(url, credentials, seen) {
  return new PouchDB(url, {
    fetch: async (to, options) => {
      if (credentials) options.headers.set('Authorization', `Bearer ${await credentials()}`)
      const response = await PouchDB.fetch(to, options)
      seen?.({ url: new URL(to), method: options.method ?? 'GET', status: response.status, body: options.body })
      return response
    },
  })
}

// finished is a replication's result; a failure keeps PouchDB's status.
export function finished(replication) {
  return new Promise((resolve, reject) => {
    replication.on('complete', resolve).on('error', reject)
  })
}

// tree is what all clients must see the same: winner and conflicts of every document.
export async function tree(db) {
  const { rows } = await db.allDocs({ include_docs: true, conflicts: true })
  const state = {}
  for (const { id, doc } of rows) {
    state[id] = { ...doc, _conflicts: (doc._conflicts ?? []).toSorted() }
  }
  return state
}

export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex')

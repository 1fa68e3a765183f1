// PouchDB among devices of Couchbase Lite: it does what it is told, a line of standard input
// at a time, and answers each line by an event "answer <number of the line>":
//
//   edit [{"id":"a","what":"change","n":1}, …]     offline; see changed below
//   sync | push | pull                             replicates, to the end
//   cut {"direction":"sync","how":"cancel","after":2}   replicates, but not to the end
//   dump                                           all that the client holds
//   end                                            as the end of the input
//
// By hand: printf 'pull\nedit [{"id":"a","what":"change","n":1}]\nsync\ndump\n' | node scenarios/mixed.mjs
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createInterface } from 'node:readline'
import { finished, local, remote } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { emit, run } from '../lib/talk.mjs'

const batch = 50 // several batches, so that there is something to cut

// What a lost connection is to PouchDB, which leaves the rejections of some of its own
// requests unhandled. A browser logs that and goes on; Node would end.
const lost = () => Object.assign(new Error('the connection was lost'), { code: 'ECONNRESET' })
process.on('unhandledRejection', (err) => {
  if (err?.code !== 'ECONNRESET') throw err
})

// The content is made from the number of the edit.
const content = (n, bytes) => createHash('shake256', { outputLength: bytes }).update(String(n)).digest()
const sha1 = (bytes) => `sha1-${createHash('sha1').update(bytes).digest('base64')}`

// changed is a document after an edit; undefined: there is nothing to do.
function changed(doc, { id, what, n, bytes }) {
  const head = doc?._rev ? { _id: id, _rev: doc._rev } : { _id: id }
  switch (what) {
    case 'delete':
      return doc && { ...head, _deleted: true }
    case 'fresh':
      return { ...head, fresh: n }
    case 'attach': {
      const note = { content_type: 'text/plain', data: content(n, bytes) }
      return { ...doc, ...head, n, by: 'pouch', _attachments: { ...doc?._attachments, [`note${n}.txt`]: note } }
    }
    default:
      // The long member stays as it is, so that deltas are worth it.
      return { long: String(n).padStart(300, '0'), ...doc, ...head, n, by: 'pouch' }
  }
}

// resolve removes the losing branches, as an app does that has looked at them.
async function resolve(db, id) {
  const doc = await db.get(id, { conflicts: true }).catch((err) => {
    if (err.status === 404) return {}
    throw err
  })
  for (const rev of doc._conflicts ?? []) await db.remove(id, rev)
  return doc._conflicts?.length ?? 0
}

async function edit(db, edits) {
  let resolved = 0
  for (const { id } of edits.filter((e) => e.what === 'resolve')) resolved += await resolve(db, id)
  const others = edits.filter((e) => e.what !== 'resolve')
  const { rows } = await db.allDocs({ keys: others.map((e) => e.id), include_docs: true })
  const docs = others.map((e, i) => changed(rows[i].doc, e)).filter(Boolean)
  const results = await db.bulkDocs(docs)
  assert.deepEqual(results.filter((r) => r.error), [])
  return {
    edited: docs.length,
    deleted: docs.filter((d) => d._deleted).length,
    attached: others.filter((e) => e.what === 'attach').length,
    resolved,
  }
}

function replication(db, server, direction) {
  const options = { batch_size: batch }
  if (direction === 'push') return db.replicate.to(server, options)
  if (direction === 'pull') return db.replicate.from(server, options)
  return db.sync(server, options)
}

// replicate runs to the end.
async function replicate(db, credentials, direction) {
  const result = await replication(db, remote(databaseURL(), credentials), direction)
  const parts = [result.push, result.pull, result].filter((r) => r?.docs_read !== undefined)
  for (const part of parts) {
    assert.equal(part.ok, true)
    assert.equal(part.doc_write_failures, 0)
    assert.deepEqual(part.errors, [])
  }
  return { written: parts.reduce((n, r) => n + r.docs_written, 0) }
}

// cut ends a replication half-way: "cancel" after some batches, as an app does; or the
// connection is lost at some request, before it ("request") or before its answer ("answer").
async function cut(db, credentials, { direction, how, after }) {
  let requests = 0
  const token = async () => {
    if (how !== 'cancel' && (requests > after || (how === 'request' && requests === after))) throw lost()
    requests++
    return credentials?.()
  }
  const server = remote(databaseURL(), token, () => {
    if (how === 'answer' && requests > after) throw lost()
  })
  const replicating = replication(db, server, direction)
  let batches = 0
  replicating.on('change', () => {
    if (how === 'cancel' && ++batches >= after) replicating.cancel()
  })
  const failed = await finished(replicating).then(() => false, (err) => {
    if (how === 'cancel') throw err
    return true
  })
  return { cut: failed || replicating.canceled === true }
}

// dump is all that the client holds: winners without their members "_…", the content of
// attachments by its digest, and the names of all leaves.
async function dump(db) {
  const docs = {}
  const options = { style: 'all_docs', include_docs: true, conflicts: true, attachments: true, binary: true }
  const { results } = await db.changes(options)
  for (const { id, changes, doc } of results) {
    const body = Object.fromEntries(Object.entries(doc).filter(([name]) => !name.startsWith('_')))
    const attachments = Object.entries(doc._attachments ?? {}).map(([name, { data }]) => [name, sha1(Buffer.from(data))])
    docs[id] = {
      rev: doc._rev,
      deleted: Boolean(doc._deleted),
      body,
      attachments: Object.fromEntries(attachments),
      conflicts: (doc._conflicts ?? []).toSorted(),
      leaves: changes.map((c) => c.rev).toSorted(),
    }
  }
  return { docs }
}

await run(async () => {
  const [db, credentials] = [local('mixed'), await signedIn('alice')]
  const does = {
    edit: (edits) => edit(db, edits),
    sync: () => replicate(db, credentials, 'sync'),
    push: () => replicate(db, credentials, 'push'),
    pull: () => replicate(db, credentials, 'pull'),
    cut: (how) => cut(db, credentials, how),
    dump: () => dump(db),
  }
  emit('ready')
  let count = 0
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'end') break
    const [, command, rest] = line.match(/^(\w+)\s*(.*)$/)
    const answer = await does[command](rest ? JSON.parse(rest) : undefined)
    emit(`answer ${++count}`, answer)
  }
})

// Cloudant's backup tool on the administrator's site: a database of DOCUMENTS documents, with
// edits, deletions and conflicts, is backed up, and restored into an empty one.
import assert from 'node:assert/strict'
import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import couchbackup from '@cloudant/couchbackup'
import nano from 'nano'
import { emit, need, run } from '../lib/talk.mjs'

const total = Number(process.env.DOCUMENTS ?? 2000)
const server = nano(need('ADMIN_URL'))

const id = (n) => `doc-${String(n).padStart(7, '0')}`

// fill makes the database: each tenth document has a second revision, each fiftieth a
// conflict, each hundredth is deleted.
async function fill(db) {
  for (let from = 0; from < total; from += 1000) {
    const some = Array.from({ length: Math.min(1000, total - from) }, (_, k) => from + k)
    const made = await db.bulk({ docs: some.map((n) => ({ _id: id(n), n, text: `${n}`.repeat(40) })) })
    const edits = some.flatMap((n, k) => {
      if (n % 100 === 0) return [{ _id: id(n), _rev: made[k].rev, _deleted: true }]
      if (n % 10 === 0) return [{ _id: id(n), _rev: made[k].rev, n, edited: true }]
      return []
    })
    assert.ok((await db.bulk({ docs: edits })).every((a) => a.ok))
    const conflicts = some.filter((n) => n % 50 === 7).map((n) => ({ _id: id(n), _rev: `1-${'0'.repeat(31)}1`, n, other: true }))
    await db.bulk({ docs: conflicts, new_edits: false })
  }
}

// state is what a database holds: each leaf, its ancestry and its body.
async function state(db) {
  const all = {}
  for (let since = '0'; ;) {
    const { results, last_seq } = await db.changes({ since, limit: 5000, style: 'all_docs', include_docs: true })
    if (!results.length) return all
    for (const row of results) {
      all[row.id] = { revs: row.changes.map((c) => c.rev).toSorted(), deleted: !!row.deleted, doc: row.doc }
    }
    since = last_seq
  }
}

// finished turns the tool's callback and events into a promise; an error is one that it reports.
function finished(start) {
  return new Promise((done, refuse) => {
    start((err, data) => (err ? refuse(err) : done(data))).on('error', refuse)
  })
}

await run(async () => {
  await server.db.create('backed')
  await server.db.create('restored')
  const backed = server.use('backed')
  await fill(backed)
  emit('filled')

  const folder = need('SCRATCH')
  const file = join(folder, 'backup.txt')
  const kept = await finished((done) =>
    couchbackup.backup(`${need('ADMIN_URL')}/backed`, createWriteStream(file), { log: join(folder, 'backup.log'), logfile: join(folder, 'backup.log'), parallelism: 4 }, done))
  emit('kept', { revisions: kept.total })

  const back = await finished((done) =>
    couchbackup.restore(createReadStream(file), `${need('ADMIN_URL')}/restored`, { parallelism: 4 }, done))
  emit('restored', { revisions: back.total })

  assert.equal(back.total, kept.total)
  assert.deepEqual(await state(server.use('restored')), await state(backed))
  const [one, two] = [await server.db.get('backed'), await server.db.get('restored')]
  assert.equal(two.doc_count, one.doc_count)
  assert.equal(two.doc_del_count, one.doc_del_count)
  await server.db.destroy('backed')
  await server.db.destroy('restored')
})

// A client whose server dies in the middle of a replication goes on from its checkpoint
// when the server is back. DIRECTION is push or pull; the test kills the server at the
// event "midway".
import assert from 'node:assert/strict'
import { finished, local } from '../lib/pouch.mjs'
import { remoteOf } from '../lib/session.mjs'
import { emit, need, run, until, within } from '../lib/talk.mjs'

const docs = Number(process.env.DOCS ?? 2000)
const batch = 50
const direction = need('DIRECTION')
const text = 'x'.repeat(700)

// PouchDB leaves a rejection of one of its own requests unhandled when the server goes
// away. A browser logs that and goes on; Node would end.
process.on('unhandledRejection', (err) => {
  if (err?.code !== 'ECONNRESET' && err?.code !== 'ECONNREFUSED') throw err
})

// phases count what was sent before the crash and after.
const phases = { before: fresh(), after: fresh() }
let phase = phases.before
function fresh() {
  return { written: 0, read: 0, sinces: [] }
}

function seen({ url, status, body }) {
  if (status >= 300) return
  const path = url.pathname
  if (path.endsWith('/_bulk_docs')) phase.written += JSON.parse(body).docs.length
  if (path.endsWith('/_bulk_get')) phase.read += JSON.parse(body).docs.length
  if (path.endsWith('/_changes')) phase.sinces.push(url.searchParams.get('since'))
}

const make = (n) => Array.from({ length: n }, (_, i) => ({ _id: `doc-${String(i).padStart(6, '0')}`, i, text }))

await run(async () => {
  const [client, server] = [local('client'), await remoteOf('alice', seen)]
  const [source, target] = direction === 'push' ? [client, server] : [server, client]
  for (let n = 0; n < docs; n += 500) await source.bulkDocs(make(docs).slice(n, n + 500))
  Object.assign(phase, fresh())

  const options = { batch_size: batch, batches_limit: 1, live: true, retry: true, back_off_function: () => 100 }
  const replication = direction === 'push' ? client.replicate.to(server, options) : client.replicate.from(server, options)
  const ended = finished(replication)
  ended.catch(() => {})

  let midway = false
  replication.on('change', ({ docs_written }) => {
    if (midway || docs_written < docs / 4) return
    midway = true
    emit('midway', { docs_written })
  })
  replication.on('paused', (err) => {
    if (!err || phase === phases.after) return
    phase = phases.after
    emit('lost')
  })

  await within(40000, 'the replication', until(39000, 'all documents', async () => {
    const info = await target.info().catch(() => ({}))
    return info.doc_count === docs && phase === phases.after
  }))
  replication.cancel()
  await ended

  const { before, after } = phases
  const again = direction === 'push' ? after.written : after.read
  const done = direction === 'push' ? before.written : before.read
  emit('resumed', { done, again, sinces: after.sinces.slice(0, 2) })
  assert.ok(done >= docs / 4, `only ${done} went before the crash`)
  // One batch may be in doubt, and one more checkpoint may be unwritten.
  assert.ok(again <= docs - done + 3 * batch, `${again} documents were sent again after ${done} of ${docs}`)
  if (direction === 'pull') assert.notEqual(after.sinces[0], '0', 'the pull began anew')
})

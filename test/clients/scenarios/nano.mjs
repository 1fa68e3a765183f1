// CouchDB's own Node client as a back office uses it: on the administrator's site without
// credentials, and on the app's site as a user with a token.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import nano from 'nano'
import { signedIn } from '../lib/session.mjs'
import { emit, need, run, until } from '../lib/talk.mjs'

const status = (statusCode, error) => (error ? { statusCode, error } : { statusCode })

async function databases(server) {
  assert.deepEqual(await server.db.create('stock'), { ok: true })
  await assert.rejects(server.db.create('stock'), status(412, 'file_exists'))
  assert.ok((await server.db.list()).includes('stock'))
  const info = await server.db.get('stock')
  assert.equal(info.db_name, 'stock')
  assert.equal(info.doc_count, 0)
  await assert.rejects(server.db.get('nowhere'), status(404, 'not_found'))
  assert.equal((await server.info()).couchdb, 'Welcome')
}

async function documents(stock) {
  const made = await stock.insert({ name: 'rabbit', n: 1 }, 'rabbit')
  assert.equal(made.ok, true)
  assert.equal(made.id, 'rabbit')
  await assert.rejects(stock.insert({ n: 2 }, 'rabbit'), status(409, 'conflict'))
  const changed = await stock.insert({ _id: 'rabbit', _rev: made.rev, n: 2 })
  assert.match(changed.rev, /^2-/)
  assert.equal((await stock.get('rabbit')).n, 2)
  assert.equal((await stock.get('rabbit', { rev: made.rev })).n, 1)
  assert.equal((await stock.get('rabbit', { revs_info: true }))._revs_info.length, 2)
  assert.equal((await stock.head('rabbit')).etag, `"${changed.rev}"`)

  const unnamed = await stock.insert({ n: 3 })
  assert.match(unnamed.id, /^[0-9a-f]{32}$/)
  const removed = await stock.destroy(unnamed.id, unnamed.rev)
  assert.match(removed.rev, /^2-/)
  await assert.rejects(stock.get(unnamed.id), (e) => e.statusCode === 404 && e.reason === 'deleted')

  const odd = 'a/b c+d&e?f#ü😀'
  await stock.insert({ odd: true }, odd)
  assert.equal((await stock.get(odd)).odd, true)
}

async function bulk(stock) {
  const docs = Array.from({ length: 2500 }, (_, n) => ({ _id: `item-${String(n).padStart(4, '0')}`, n, text: 'x'.repeat(100) }))
  const answers = await stock.bulk({ docs })
  assert.equal(answers.length, 2500)
  assert.ok(answers.every((a) => a.ok && a.rev.startsWith('1-')))
  assert.equal((await stock.bulk({ docs: docs.slice(0, 1) }))[0].error, 'conflict')

  const some = await stock.fetch({ keys: ['item-0001', 'missing', 'item-2499'] })
  assert.deepEqual(some.rows.map((r) => r.doc?.n ?? r.error), [1, 'not_found', 2499])
  const revs = await stock.fetchRevs({ keys: ['item-0001'] })
  assert.match(revs.rows[0].value.rev, /^1-/)

  const page = await stock.list({ startkey: 'item-', endkey: 'item-\ufff0', limit: 10, skip: 5, include_docs: true })
  assert.deepEqual(page.rows.map((r) => r.doc.n), [5, 6, 7, 8, 9, 10, 11, 12, 13, 14])
  const down = await stock.list({ descending: true, startkey: 'item-0003', limit: 2 })
  assert.deepEqual(down.rows.map((r) => r.id), ['item-0003', 'item-0002'])

  let text = ''
  for await (const chunk of stock.listAsStream({ limit: 3 })) text += chunk
  assert.equal(JSON.parse(text).rows.length, 3)
}

async function attachments(stock) {
  const bytes = randomBytes(300_000)
  const first = await stock.attachment.insert('photo', 'full size.jpg', bytes, 'image/jpeg')
  assert.deepEqual(await stock.attachment.get('photo', 'full size.jpg'), bytes)
  assert.deepEqual(await buffer(stock.attachment.getAsStream('photo', 'full size.jpg')), bytes)

  // A document with attachments in one multipart request.
  const files = [
    { name: 'a.txt', data: Buffer.from('first'), content_type: 'text/plain' },
    { name: 'b.bin', data: bytes, content_type: 'application/octet-stream' },
  ]
  await stock.multipart.insert({ kind: 'parcel' }, files, 'parcel')
  const parcel = await stock.get('parcel')
  assert.deepEqual(Object.keys(parcel._attachments).toSorted(), ['a.txt', 'b.bin'])
  assert.deepEqual(await stock.attachment.get('parcel', 'b.bin'), bytes)
  const mixed = await stock.multipart.get('parcel')
  assert.ok(mixed.includes(bytes), 'the multipart answer has the bytes')

  const gone = await stock.attachment.destroy('photo', 'full size.jpg', { rev: first.rev })
  assert.match(gone.rev, /^2-/)
  await assert.rejects(stock.attachment.get('photo', 'full size.jpg'), status(404))
}

async function changes(stock) {
  const all = await stock.changes({ limit: 5 })
  assert.equal(all.results.length, 5)
  const rest = await stock.changes({ since: all.last_seq, limit: 5 })
  assert.equal(rest.results.length, 5)
  assert.notEqual(rest.results[0].id, all.results[0].id)

  await followed(stock)

  // Read to the end, page by page as a longpoll and in one stream. A reader is its handle's.
  for (const way of ['get', 'spool']) {
    let count = 0
    await new Promise((done, refuse) => {
      const reader = stock.server.use('stock').changesReader
      reader[way]({ since: '0', batchSize: 1000, timeout: 500 })
        .on('batch', (batch) => { count += batch.length })
        .on('end', done).on('error', refuse)
    })
    assert.ok(count >= 2500, `${count} changes by ${way}`)
  }
}

// followed: the reader hears of a document while it waits.
async function followed(stock) {
  const { changesReader } = stock.server.use('stock')
  const seen = new Set()
  const reader = changesReader.start({ since: 'now', wait: false, timeout: 2000 })
  const failed = new Promise((_, refuse) => reader.on('error', refuse))
  reader.on('change', (change) => seen.add(change.id))
  const heard = until(20_000, 'a change by the reader', async () => {
    await stock.insert({}, `live-${Date.now()}`)
    return seen.size > 0
  })
  await Promise.race([heard, failed])
  failed.catch(() => {}) // stopping is an error to the reader
  changesReader.stop()
}

async function queries(stock) {
  const index = { index: { fields: ['n'] }, ddoc: 'numbers', name: 'by-n' }
  assert.deepEqual(await stock.createIndex(index), { result: 'created', id: '_design/numbers', name: 'by-n' })
  const above = { selector: { n: { $gte: 2490 } }, sort: [{ n: 'desc' }], fields: ['n'], limit: 4, execution_stats: true }
  const first = await stock.find(above)
  assert.deepEqual(first.docs, [{ n: 2499 }, { n: 2498 }, { n: 2497 }, { n: 2496 }])
  assert.equal(first.execution_stats.total_docs_examined, 4)
  assert.equal(first.warning, undefined)
  const second = await stock.find({ ...above, bookmark: first.bookmark })
  assert.deepEqual(second.docs[0], { n: 2495 })
  const slow = await stock.find({ selector: { text: { $regex: '^x+$' } }, limit: 3, fields: ['_id'] })
  assert.equal(slow.docs.length, 3)
  assert.match(slow.warning, /No matching index found/)
  await assert.rejects(stock.find({ selector: {}, sort: ['text'] }), status(400, 'no_usable_index'))
}

async function info(stock) {
  assert.ok((await stock.info()).doc_count > 2500)
  assert.equal((await stock.compact()).ok, true)
}

// A user with a token on the app's site: allowed is what every user may, and no more.
async function asUser() {
  const token = (await signedIn('alice'))()
  const server = nano({ url: need('SYNC_URL'), headers: { Authorization: `Bearer ${token}` } })
  const notes = server.use('notes')
  const made = await notes.insert({ by: 'nano' }, 'from-nano')
  assert.equal((await notes.get('from-nano'))._rev, made.rev)
  assert.deepEqual((await notes.find({ selector: { by: 'nano' }, fields: ['_id'] })).docs, [{ _id: 'from-nano' }])
  await assert.rejects(notes.createIndex({ index: { fields: ['by'] } }), status(403, 'forbidden'))
  const session = await server.session()
  assert.ok(session.userCtx.name)
  await assert.rejects(server.db.create('mine'), (e) => e.statusCode >= 400 && e.statusCode < 500)

  const stranger = nano({ url: need('SYNC_URL'), headers: { Authorization: 'Bearer nonsense' } }).use('notes')
  await assert.rejects(stranger.get('from-nano'), status(401, 'unauthorized'))
}

// A user with a name and a password: nano trades them for a cookie.
async function byPassword() {
  const server = nano(need('SYNC_URL'))
  const { headers, ...answer } = await server.auth('officer', need('PASSWORD'))
  assert.equal(answer.ok, true)
  assert.ok((await server.use('notes').get('from-nano')).by)
  await assert.rejects(nano(need('SYNC_URL')).auth('officer', 'wrong'), status(401))
}

await run(async () => {
  const server = nano(need('ADMIN_URL'))
  await databases(server)
  const stock = server.use('stock')
  stock.server = server
  for (const part of [documents, bulk, attachments, changes, queries, info]) {
    await part(stock)
    emit(part.name)
  }
  await asUser()
  if (process.env.PASSWORD) await byPassword()
  assert.deepEqual(await server.db.destroy('stock'), { ok: true })
  await assert.rejects(server.db.get('stock'), status(404))
})

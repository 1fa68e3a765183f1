// RxDB with sync.js of docs/start-rxdb.md, at the quickstart's lists: what is shared comes, what is no
// longer shared goes, what is refused is undone and holds nothing up. FOLDER has it as sync.mjs.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { createRxDatabase } from 'rxdb/plugins/core'
import { getRxStorageMemory } from 'rxdb/plugins/storage-memory'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { need, run, until } from '../lib/talk.mjs'

const soon = 60_000 // milliseconds; RxDB tries again after five seconds

const schema = {
  version: 0,
  type: 'object',
  primaryKey: 'id',
  properties: { id: { type: 'string', maxLength: 200 } },
  required: ['id'],
}

// device is one of a user, with what it heard of refusals.
async function device(replicate, user) {
  const token = await signedIn(user)
  const database = await createRxDatabase({ name: user, storage: getRxStorageMemory(), multiInstance: false })
  await database.addCollections({ lists: { schema } })
  const refused = []
  let failures = 0
  let failedRows = 0
  const answer = (url, options) => {
    if (url.includes('/_bulk_docs') && failedRows-- > 0) {
      const rows = JSON.parse(options.body).docs.map(({ _id }) => (
        { id: _id, error: 'internal_server_error', reason: 'Exception in JS sync function', status: 500 }))
      return Response.json(rows, { status: 201 })
    }
    if (failures-- > 0) return Response.json({ error: 'service_unavailable', reason: 'the server restarts' }, { status: 503 })
    return fetch(url, { ...options, headers: { ...options.headers, authorization: `Bearer ${token()}` } })
  }
  let replication
  const start = () => (replication = replicate(database.lists, `${databaseURL()}/`, {
    user,
    fetch: async (url, options = {}) => answer(url, options),
    state: () => {},
    refused: (id, reason, document) => refused.push({ id, reason, document }),
    ended: () => assert.fail(`${user} is not signed in`),
  }))
  start()
  await replication.awaitInitialReplication()
  const get = async (id) => (await database.lists.findOne(id).exec())?.toJSON()
  return {
    refused,
    get,
    insert: (doc) => database.lists.insert(doc),
    patch: async (id, change) => (await database.lists.findOne(id).exec()).patch(change),
    has: (...ids) => until(soon, `${user} has ${ids}`, async () => (await Promise.all(ids.map(get))).every(Boolean)),
    lacks: (...ids) => until(soon, `${user} lacks ${ids}`, async () => !(await Promise.all(ids.map(get))).some(Boolean)),
    fail: (times) => { failures = times },
    failRows: (times) => { failedRows = times },
    stop: () => replication.cancel(),
    start,
    inSync: () => replication.awaitInSync(),
    close: () => database.close(),
  }
}

await run(async () => {
  const { replicate } = await import(join(need('FOLDER'), 'sync.mjs'))
  const alice = await device(replicate, 'alice')
  await alice.insert({ id: 'list:food', type: 'list', owner: 'alice', name: 'Food', members: ['bob'] })
  await alice.insert({ id: 'list:tools', type: 'list', owner: 'alice', name: 'Tools' })
  await alice.insert({ id: 'item:milk', type: 'item', list: 'list:food', text: 'Milk' })
  await alice.insert({ id: 'item:saw', type: 'item', list: 'list:food', text: 'Saw' })
  await alice.inSync()

  const bob = await device(replicate, 'bob')
  await bob.has('list:food', 'item:milk', 'item:saw')
  await bob.patch('item:milk', { text: 'Oat milk' })
  await until(soon, "alice has bob's change", async () => (await alice.get('item:milk')).text === 'Oat milk')

  await alice.patch('item:saw', { list: 'list:tools' })
  await bob.lacks('item:saw')
  assert.equal((await alice.get('item:saw')).list, 'list:tools', 'what bob lost is nobody else\'s loss')

  // Refused: what is new is gone again, what was there is as it was, and what is written later arrives.
  await bob.insert({ id: 'item:hammer', type: 'item', list: 'list:tools', text: 'Hammer' })
  await bob.patch('list:food', { name: "bob's" })
  await bob.insert({ id: 'item:bread', type: 'item', list: 'list:food', text: 'Bread' })
  await alice.has('item:bread')
  await bob.lacks('item:hammer')
  await until(soon, 'the list has its name', async () => (await bob.get('list:food')).name === 'Food')
  assert.deepEqual(new Set(bob.refused.map(({ id }) => id)), new Set(['item:hammer', 'list:food']))
  assert.ok(bob.refused.every(({ reason }) => reason), 'each refusal says why')
  assert.equal(bob.refused.find(({ id }) => id === 'item:hammer').document.text, 'Hammer', 'what was written is not lost to the app')

  // What the server answers while it restarts ends nothing.
  alice.fail(3)
  await bob.patch('item:milk', { text: 'Rice milk' })
  await until(soon, "alice has bob's change", async () => (await alice.get('item:milk')).text === 'Rice milk')
  await bob.patch('item:milk', { text: 'Soy milk' })
  await until(soon, 'alice has the next one', async () => (await alice.get('item:milk')).text === 'Soy milk')

  // What it fails at itself is no refusal: it is sent again.
  bob.failRows(1)
  await bob.insert({ id: 'item:tea', type: 'item', list: 'list:food', text: 'Tea' })
  await bob.patch('item:milk', { text: 'Almond milk' })
  await alice.has('item:tea')
  await until(soon, "alice has bob's change", async () => (await alice.get('item:milk')).text === 'Almond milk')
  await bob.has('item:tea')
  assert.equal((await bob.get('item:milk')).text, 'Almond milk', 'what was kept')
  assert.equal(bob.refused.length, 2, 'of before')

  // A list that was made offline and shared at the end, so that RxDB sends it after its items.
  await alice.stop()
  const items = Array.from({ length: 130 }, (_, n) => `item:move-${n}`)
  await alice.insert({ id: 'list:move', type: 'list', owner: 'alice', name: 'Moving' })
  for (const id of items) await alice.insert({ id, type: 'item', list: 'list:move', text: id })
  await alice.patch('list:move', { members: ['bob'] })
  alice.start()
  await bob.has('list:move')
  await alice.inSync()
  assert.deepEqual(alice.refused, [])
  await alice.has(...items)
  await bob.has(...items)

  // As many as are sent at once may be refused at once, whatever is in their IDs.
  await bob.stop()
  const nails = Array.from({ length: 1000 }, (_, n) => `item:nail 3fa85f64-5717-4562-b3fc-2c963f66afa6 & #${n}`)
  for (const id of nails) await bob.insert({ id, type: 'item', list: 'list:tools', text: 'Nail' })
  bob.start()
  await bob.insert({ id: 'item:honey', type: 'item', list: 'list:food', text: 'Honey' })
  await alice.has('item:honey')
  await bob.lacks(nails[0])
  await bob.lacks(...nails)
  assert.equal(bob.refused.length, 2 + nails.length, 'each once')

  await alice.patch('list:food', { members: [] })
  await bob.lacks('list:food', 'item:milk', 'item:bread')
  await alice.has('list:food', 'item:milk', 'item:bread')
  await alice.patch('list:food', { members: ['bob'] })
  await bob.has('list:food', 'item:milk', 'item:bread')
  await Promise.all([alice.close(), bob.close()])
})

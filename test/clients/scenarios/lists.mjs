// Shared lists with the modules of the quickstart's app, without its page: two people sync, a
// third is let in and put out while all are live, and one who was away for all of it ends
// with the same.
import assert from 'node:assert/strict'
import { Lists } from '../../../examples/quickstart/app/js/lists.js'
import { Sync } from '../../../examples/quickstart/app/js/sync.js'
import { PouchDB, local, remote } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { emit, run, until } from '../lib/talk.mjs'

// numbers are what localStorage is to the page.
class Numbers {
  #values = new Map()
  getItem = (key) => this.#values.get(key) ?? null
  setItem = (key, value) => this.#values.set(key, String(value))
}

// device is a user's device with the lists on it. before is the same, switched off.
async function device(user, before) {
  let token = await signedIn(user)
  const names = before?.names ?? new Map() // as the app calls a database → the database as it is kept here
  const open = (name) => {
    const kept = names.get(name)
    const db = kept ? new PouchDB(kept.name, { adapter: kept.adapter }) : local(name)
    names.set(name, { name: db.name, adapter: db.adapter })
    db.once('destroyed', () => names.delete(name))
    Object.defineProperty(db, 'name', { value: name }) // what the app looks at
    return db
  }
  const numbers = before?.numbers ?? new Numbers()
  const news = []
  const lists = new Lists({ user, open, numbers })
  const request = async (url, options = {}) => {
    const headers = new Headers(options.headers)
    headers.set('Authorization', `Bearer ${await token()}`)
    return fetch(url, { ...options, headers })
  }
  const sync = new Sync({ lists, url: databaseURL(), PouchDB, request, changed: (...what) => news.push(what) })
  sync.start()
  const become = async (another) => { token = await signedIn(another) }
  return { user, lists, sync, names, numbers, news, become, server: remote(databaseURL(), token) }
}

const off = (device) => device.sync.stop().then(() => device.lists.close())
const list = async (device, name) => (await device.lists.all()).find((list) => list.name === name)
const texts = async (device, name) => (await list(device, name))?.items.map(({ text }) => text).toSorted()
const has = (device, name, items) =>
  until(15_000, `${device.user} has ${items} of ${name}`, async () => JSON.stringify(await texts(device, name)) === JSON.stringify(items))
const add = async (device, name, text) => device.lists.add(await list(device, name), text)
const item = async (device, name, text) => (await list(device, name)).items.find((item) => item.text === text)

// lost waits until nothing of a list is on a device.
const lost = (device, name, id) =>
  until(15_000, `${device.user} has lost ${name}`, async () => {
    if (device.names.size !== 1) return false
    const { rows } = await device.lists.db.allDocs({ include_docs: true }).catch(() => ({ rows: [{ id }] }))
    return !rows.some((row) => row.id === id || row.doc?.list === id)
  })

async function share(owner, name, members) {
  for (const member of (await list(owner, name)).members) if (!members.includes(member)) await owner.lists.unshare(await list(owner, name), member)
  for (const member of members) await owner.lists.share(await list(owner, name), member)
}

// What was made without a network, and shared in the end, goes in more than one request: items before the list that lets
// them in.
async function sharesALongList() {
  const carol = await device('carol')
  await carol.sync.stop()
  await carol.lists.makeList('Long')
  const { _id } = await list(carol, 'Long')
  for (let n = 0; n < 130; n++) await carol.lists.add({ _id }, `item ${n}`)
  await carol.lists.share(await list(carol, 'Long'), 'alice')
  carol.sync.start()
  const sent = async () => (await carol.server.allDocs({ include_docs: true })).rows.filter(({ doc }) => doc.list === _id).length
  await until(30_000, 'all items are at the server', async () => (await sent()) === 130)
  assert.equal((await list(carol, 'Long')).items.length, 130)
  assert.deepEqual(carol.news.filter(([what]) => what === 'refused' || what === 'lost'), [])
  await off(carol)
}

// A cookie is the host's: another app may have signed somebody else in.
async function meetsAnothersSession() {
  const alice = await device('alice')
  await alice.sync.stop()
  await alice.lists.makeList('Diary')
  await alice.become('bob')
  alice.sync.start()
  const ended = ([what, why]) => what === 'ended' && why === 'another user has signed in'
  await until(15_000, 'the sync ends', () => alice.news.some(ended))
  await alice.sync.stop()
  assert.ok(await list(alice, 'Diary'), 'it is hers as before')
  assert.deepEqual(alice.news.filter(([what]) => what === 'lost'), [])
  const bob = await device('bob')
  await assert.rejects(bob.server.get((await list(alice, 'Diary'))._id), (err) => err.status === 404)
  await alice.become('alice')
  alice.sync.start()
  await until(15_000, 'it is sent as hers', async () => alice.server.get((await list(alice, 'Diary'))._id).catch(() => false))
  await Promise.all([alice, bob].map(off))
}

// There is no space to make the database without the list that was lost: all else goes on.
async function cannotForget() {
  const bob = await device('bob')
  await bob.sync.stop()
  await bob.lists.db.put({ _id: 'list:gone', type: 'list', owner: 'carol', name: 'Gone', members: ['bob'] })
  let failed = 0
  bob.lists.forget = async () => { failed++; throw new Error('no space') }
  bob.sync.start()
  await until(15_000, 'it is to be forgotten', () => failed > 0)
  await bob.lists.makeList('After')
  await until(15_000, 'what is written after is sent', async () => bob.server.get((await list(bob, 'After'))._id).catch(() => false))
  await off(bob)
}

await run(async () => {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map((user) => device(user)))
  await alice.lists.makeList('Food')
  await alice.lists.makeList('Mine')
  const food = (await list(alice, 'Food'))._id
  await share(alice, 'Food', ['bob'])
  await add(alice, 'Food', 'bread')
  await add(alice, 'Mine', 'secret')
  await has(bob, 'Food', ['bread'])
  await add(bob, 'Food', 'milk')
  await has(alice, 'Food', ['bread', 'milk'])
  assert.deepEqual(await carol.lists.all(), [])

  // The third is let in while all are live: what was there before comes too.
  const began = Date.now()
  await share(alice, 'Food', ['bob', 'carol'])
  await has(carol, 'Food', ['bread', 'milk'])
  emit('let in', { ms: Date.now() - began })
  await carol.lists.makeList('Of carol')
  await add(carol, 'Of carol', 'stays')
  await add(carol, 'Food', 'tea')
  await has(bob, 'Food', ['bread', 'milk', 'tea'])

  // An item that moves to a list that the others do not have leaves them.
  const mine = (await list(alice, 'Mine'))._id
  await alice.server.put({ ...(await alice.server.get((await item(alice, 'Food', 'bread'))._id)), list: mine })
  await has(bob, 'Food', ['milk', 'tea'])
  await has(carol, 'Food', ['milk', 'tea'])

  // And put out: the list and its items leave the device, all else stays, the others go on.
  const ending = Date.now()
  await share(alice, 'Food', ['bob'])
  await lost(carol, 'Food', food)
  emit('put out', { ms: Date.now() - ending })
  assert.deepEqual(carol.news.filter(([what]) => what === 'lost').map(([, lists]) => lists.map(({ name }) => name)), [['Food']])
  await has(carol, 'Of carol', ['stays'])
  await add(bob, 'Food', 'rice')
  await has(alice, 'Food', ['milk', 'rice', 'tea'])
  const refused = await carol.server
    .put({ _id: 'item:x', type: 'item', list: food, text: 'x' })
    .then(() => assert.fail('carol wrote into a list that is not hers'), (err) => err)
  assert.equal(refused.status, 403)
  await assert.rejects(carol.server.get(food), (err) => err.status === 404)

  // Bob is away while he is put out, and writes; he is told, and nobody else sees it.
  await off(bob)
  await share(alice, 'Food', [])
  await until(15_000, 'bob is put out', () => bob.server.get(food).then(() => false, (err) => err.status === 404))
  const late = await device('bob', { ...bob })
  await late.lists.add({ _id: food }, 'too late')
  await lost(late, 'Food', food)
  assert.ok(late.news.some(([what]) => what === 'lost'))
  assert.ok(!late.news.some(([what]) => what === 'refused'), 'being put out is told, not what follows from it')

  // He is away while he is let in and put out and let in, and items come and go.
  await off(late)
  await share(alice, 'Food', ['bob'])
  await share(alice, 'Food', [])
  await add(alice, 'Food', 'salt')
  await has(alice, 'Food', ['milk', 'rice', 'salt', 'tea'])
  await share(alice, 'Food', ['bob', 'carol'])
  await alice.lists.remove(await item(alice, 'Food', 'tea'))
  await has(carol, 'Food', ['milk', 'rice', 'salt'])
  const again = await device('bob', late)
  await has(again, 'Food', ['milk', 'rice', 'salt'])

  // What no user can be called is refused in words. As a mistake of the function it would stop the sync.
  const hers = await alice.server.get((await list(alice, 'Mine'))._id)
  await assert.rejects(alice.server.put({ ...hers, members: ['bob, carol'] }), (err) => err.status === 403)
  assert.throws(() => alice.lists.share(hers, 'bob, carol'), /is not the name of a user/)

  // Whoever shares a list may write it without the app, which goes on showing the others.
  await assert.rejects(alice.server.put({ ...hers, name: 5 }), (err) => err.status === 403)
  const odd = local('odd')
  await odd.bulkDocs([{ _id: 'list:odd', type: 'list', owner: 'mallory', members: 'bob', name: 5 }, { _id: 'list:good', type: 'list', owner: 'bob', members: [], name: 'Good' }, { _id: 'item:odd', type: 'item', list: 'list:good', text: 'Odd', by: { toString: 1 } }])
  const shown = await new Lists({ user: 'bob', open: () => odd, numbers: new Numbers() }).all()
  assert.deepEqual(shown.map(({ name, members }) => [name, members]), [['Good', []], ['odd', []]])
  assert.deepEqual(shown[0].items.map(({ text, by }) => [text, by]), [['Odd', undefined]])

  // A member leaves: the list goes from their device only. Nobody else is put out by a member.
  const shared = await again.server.get(food)
  await assert.rejects(again.server.put({ ...shared, members: ['bob'] }), (err) => err.status === 403)
  await again.sync.leave(await list(again, 'Food'))
  await lost(again, 'Food', food)
  await until(15_000, 'alice sees that bob has left', async () => String((await list(alice, 'Food')).members) === 'carol')
  await has(carol, 'Food', ['milk', 'rice', 'salt'])
  await assert.rejects(again.server.get(food), (err) => err.status === 404)

  // The owner deletes the list: it leaves every device, with its items.
  await alice.lists.removeList(await list(alice, 'Food'))
  await Promise.all([again, carol, alice].map((d) => until(15_000, `${d.user} sees the deletion`, async () => !(await list(d, 'Food')))))
  assert.deepEqual((await alice.lists.all()).map(({ name }) => name), ['Mine'])
  await has(alice, 'Mine', ['bread', 'secret'])
  await has(carol, 'Of carol', ['stays'])
  await Promise.all([alice, carol, again].map(off))

  await sharesALongList()
  await meetsAnothersSession()
  await cannotForget()
})

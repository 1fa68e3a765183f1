// Shared lists, as the quickstart's example has them: two people sync, a third is let in and
// put out while all are live, and one who was away for all of it ends with the same.
import assert from 'node:assert/strict'
import { Lists } from '../../../examples/quickstart/lists.mjs'
import { PouchDB, local, remote } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { emit, run, until } from '../lib/talk.mjs'

// device is a user's device with the lists on it.
async function device(user) {
  const token = await signedIn(user)
  const databases = new Map()
  const open = (name) => {
    const db = local(name.replace(':', '-'))
    databases.set(name, db)
    db.once('destroyed', () => databases.delete(name))
    return db
  }
  const request = async (to, options) =>
    fetch(to, { ...options, headers: { Authorization: `Bearer ${await token()}` } })
  const lists = new Lists({ url: databaseURL(), open, remote: () => remote(databaseURL(), token), request })
  return { user, lists, databases, token, server: remote(databaseURL(), token) }
}

// items are the texts of a list's items. One that moved to another list is a stub here, or says
// where it is for who has that list too.
const items = async (device, list) => {
  const db = device.lists.get(list)
  if (!db) return undefined
  const { rows } = await db.allDocs({ include_docs: true })
  return rows.filter((r) => r.doc.type === 'item' && r.doc.list === list).map((r) => r.doc.text).toSorted()
}

const has = (device, list, texts) =>
  until(10000, `${device.user} has ${texts} of ${list}`, async () => {
    const got = await items(device, list)
    return got && JSON.stringify(got) === JSON.stringify(texts)
  })

const lost = (device, list) =>
  until(10000, `${device.user} has lost ${list}`, async () => !device.lists.get(list) && !device.databases.has(list))

const add = (device, list, text) => device.lists.get(list).put({ _id: `item:${list.slice(5)}:${text}`, type: 'item', list, text })

async function share(owner, list, members) {
  const db = owner.lists.get(list)
  await db.put({ ...(await db.get(list)), members })
}

await run(async () => {
  const [alice, bob, carol] = await Promise.all(['alice', 'bob', 'carol'].map(device))
  await Promise.all([alice, bob, carol].map((d) => d.lists.start()))

  await alice.lists.create({ _id: 'list:food', name: 'Food', owner: 'alice', members: ['bob'] })
  await alice.lists.create({ _id: 'list:mine', name: 'Mine', owner: 'alice' })
  await add(alice, 'list:food', 'bread')
  await add(alice, 'list:mine', 'secret')
  await has(bob, 'list:food', ['bread'])
  await add(bob, 'list:food', 'milk')
  await has(alice, 'list:food', ['bread', 'milk'])
  assert.deepEqual(carol.lists.ids(), [])

  // The third is let in while all are live: what was there before comes too.
  const began = Date.now()
  await share(alice, 'list:food', ['bob', 'carol'])
  await has(carol, 'list:food', ['bread', 'milk'])
  emit('let in', { ms: Date.now() - began })
  await add(carol, 'list:food', 'tea')
  await has(bob, 'list:food', ['bread', 'milk', 'tea'])

  // An item that moves to a list that the others do not have leaves them.
  const food = alice.lists.get('list:food')
  await alice.server.put({ ...(await food.get('item:food:bread')), list: 'list:mine' })
  await has(bob, 'list:food', ['milk', 'tea'])
  await has(carol, 'list:food', ['milk', 'tea'])

  // And put out: the list and its items leave the device, the others go on.
  const ending = Date.now()
  await share(alice, 'list:food', ['bob'])
  await lost(carol, 'list:food')
  emit('put out', { ms: Date.now() - ending })
  await add(bob, 'list:food', 'rice')
  await has(alice, 'list:food', ['milk', 'rice', 'tea'])
  const refused = await carol.server
    .put({ _id: 'item:food:x', type: 'item', list: 'list:food', text: 'x' })
    .then(() => assert.fail('carol wrote into a list that is not hers'), (err) => err)
  assert.equal(refused.status, 403)
  for (const id of ['list:food', 'item:food:tea', 'item:food:milk']) {
    await assert.rejects(carol.server.get(id), (err) => err.status === 404, `carol reads ${id}`)
  }

  // Bob is away while he is put out and let in, the list renamed, and items come and go.
  await bob.lists.stop()
  await share(alice, 'list:food', [])
  await add(alice, 'list:food', 'salt')
  await has(alice, 'list:food', ['milk', 'rice', 'salt', 'tea'])
  await share(alice, 'list:food', ['bob', 'carol'])
  await food.remove(await food.get('item:food:tea'))
  await has(carol, 'list:food', ['milk', 'rice', 'salt'])
  const again = await device('bob')
  // The same databases as before: the device was only switched off.
  again.lists.open = (name) => {
    const kept = bob.databases.get(name)
    const db = kept ? new PouchDB(kept.name, { adapter: kept.adapter }) : local(name.replace(':', '-'))
    again.databases.set(name, db)
    db.once('destroyed', () => again.databases.delete(name))
    return db
  }
  await again.lists.start()
  await has(again, 'list:food', ['milk', 'rice', 'salt'])

  // The owner deletes the list: it leaves every device.
  await food.remove(await food.get('list:food'))
  await Promise.all([again, carol, alice].map((d) => lost(d, 'list:food')))
  assert.deepEqual(alice.lists.ids(), ['list:mine'])
  await has(alice, 'list:mine', ['bread', 'secret'])
  await Promise.all([alice, carol, again].map((d) => d.lists.stop()))
})

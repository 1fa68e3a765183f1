// Push and pull between clients: real documents, edits made offline on two sides,
// conflicts seen the same by all, deletions.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { local, tree } from '../lib/pouch.mjs'
import { remoteOf } from '../lib/session.mjs'
import { emit, run } from '../lib/talk.mjs'

const countries = createRequire(import.meta.url)('world-countries')

// An ID of each kind that must survive a URL. (PouchDB's own allDocs leaves out an ID
// that begins above U+FFFF, so the emoji is not first.)
const oddIDs = ['a/b c', 'ünïcödé ✓ 漢字', 'plus+and&query?x=1#frag', '%2F', 'dot..dot', "quote'\"", 'e 😀']

const byID = (docs) => docs.toSorted((a, b) => (a._id < b._id ? -1 : 1))
const bare = ({ _rev, ...doc }) => doc

async function pushCountries(first) {
  const docs = countries.map((c) => ({ _id: `country/${c.cca3}`, ...c }))
  docs.push(...oddIDs.map((_id, n) => ({ _id, n })))
  await first.bulkDocs(docs)
  const { server } = first
  const pushed = await first.replicate.to(server)
  assert.equal(pushed.docs_written, docs.length)
  assert.equal(pushed.doc_write_failures, 0)
  assert.equal((await server.info()).doc_count, docs.length)
  return docs
}

async function pullCountries(second, docs) {
  const pulled = await second.replicate.from(second.server)
  assert.equal(pulled.docs_written, docs.length)
  const { rows } = await second.allDocs({ include_docs: true })
  assert.deepEqual(byID(rows.map((r) => bare(r.doc))), byID(docs.map((d) => JSON.parse(JSON.stringify(d)))))

  // Nothing is left to do: the checkpoint holds on both sides.
  assert.equal((await second.replicate.from(second.server)).docs_read, 0)
  assert.equal((await second.replicate.to(second.server)).docs_written, 0)
}

// Each client edits the same documents without seeing the other.
async function editOffline(first, second) {
  const shared = ['country/FRA', 'country/JPN', 'a/b c']
  for (const [client, name, edits] of [[first, 'first', 1], [second, 'second', 2]]) {
    for (const id of shared) {
      for (let n = 0; n < edits; n++) await client.put({ ...(await client.get(id)), edited: name, n })
    }
  }
  // One side deletes what the other edits; both create one ID.
  await first.put({ ...(await first.get('country/ITA')), edited: 'first' })
  await second.remove(await second.get('country/ITA'))
  await first.put({ _id: 'made twice', by: 'first' })
  await second.put({ _id: 'made twice', by: 'second' })
}

async function settle(...clients) {
  for (let round = 0; round < 2; round++) {
    for (const client of clients) await client.sync(client.server)
  }
}

// sameEverywhere is the point of the protocol: one winner, one set of conflicts.
async function sameEverywhere(...clients) {
  const states = await Promise.all([...clients, clients[0].server].map(tree))
  for (const state of states.slice(1)) assert.deepEqual(state, states[0])
  return states[0]
}

async function conflicts(first, second) {
  await editOffline(first, second)
  await settle(first, second)
  const state = await sameEverywhere(first, second)
  for (const id of ['country/FRA', 'country/JPN', 'a/b c']) {
    assert.equal(state[id].edited, 'second', 'the longer branch wins')
    assert.equal(state[id]._conflicts.length, 1)
  }
  assert.equal(state['country/ITA'].edited, 'first', 'a live revision wins over a deletion')
  assert.equal(state['made twice']._conflicts.length, 1)
  assert.match(state['made twice']._rev, /^1-/)

  // Both leaves can be read by any of them, by open_revs.
  for (const db of [first, second, first.server]) {
    const leaves = await db.get('country/FRA', { open_revs: 'all' })
    assert.deepEqual(leaves.map((l) => l.ok.edited).toSorted(), ['first', 'second'])
  }
  return state
}

async function resolve(first, second, state) {
  for (const id of Object.keys(state)) {
    for (const rev of state[id]._conflicts) await second.remove(id, rev)
  }
  await settle(second, first)
  const settled = await sameEverywhere(first, second)
  for (const doc of Object.values(settled)) assert.deepEqual(doc._conflicts, [])
}

async function deletions(first, second) {
  const { rows } = await first.allDocs()
  const gone = rows.slice(0, 60)
  await first.bulkDocs(gone.map(({ id, value }) => ({ _id: id, _rev: value.rev, _deleted: true })))
  await settle(first, second)
  const state = await sameEverywhere(first, second)
  assert.equal(Object.keys(state).length, rows.length - gone.length)
  for (const { id } of gone.slice(0, 3)) {
    await assert.rejects(second.server.get(id), { status: 404, reason: 'deleted' })
  }

  // A document made again after its deletion goes on in the same tree.
  await second.put({ _id: gone[0].id, again: true })
  await settle(second, first)
  assert.equal((await first.get(gone[0].id)).again, true)
  assert.match((await first.server.get(gone[0].id))._rev, /^[3-9]-/)
  await sameEverywhere(first, second)
}

await run(async () => {
  const [first, second] = [local('first'), local('second')]
  first.server = await remoteOf('alice')
  second.server = await remoteOf('bob')

  const docs = await pushCountries(first)
  emit('pushed', { docs: docs.length })
  await pullCountries(second, docs)
  emit('pulled')
  const state = await conflicts(first, second)
  emit('conflicts')
  await resolve(first, second, state)
  emit('resolved')
  await deletions(first, second)

  // A third client that saw none of it ends in the same state.
  const third = local('third')
  third.server = second.server
  await settle(third)
  await sameEverywhere(third, first)
})

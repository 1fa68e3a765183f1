// Two clients in live sync through the server: what one writes, the other has soon.
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import { local, tree } from '../lib/pouch.mjs'
import { remoteOf } from '../lib/session.mjs'
import { emit, run, until } from '../lib/talk.mjs'

const writes = Number(process.env.WRITES ?? 60)

function liveSync(db, server) {
  const sync = db.sync(server, { live: true, retry: false })
  const ended = new Promise((resolve, reject) => sync.on('complete', resolve).on('error', reject))
  ended.catch(() => {})
  return { stop: () => (sync.cancel(), ended), ended }
}

const has = (db, id) => db.get(id).catch((err) => (err.status === 404 ? undefined : Promise.reject(err)))

await run(async () => {
  const [first, second] = [local('first'), local('second')]
  const [toFirst, toSecond] = [await remoteOf('alice'), await remoteOf('bob')]
  const syncs = [liveSync(first, toFirst), liveSync(second, toSecond)]

  // One at a time, to see how long a change takes.
  const delays = []
  for (let n = 0; n < 10; n++) {
    const [from, to] = n % 2 ? [first, second] : [second, first]
    const began = Date.now()
    await from.put({ _id: `single-${n}`, n })
    await until(5000, `single-${n} on the other client`, () => has(to, `single-${n}`))
    delays.push(Date.now() - began)
  }
  emit('delays', { delays })

  // Both at once.
  await Promise.all(
    [first, second].map(async (db, side) => {
      for (let n = 0; n < writes; n++) await db.put({ _id: `both-${side}-${n}`, side, n })
    }),
  )
  const want = 10 + 2 * writes
  await until(20000, 'all documents on both clients', async () => {
    const infos = await Promise.all([first.info(), second.info(), toFirst.info()])
    return infos.every((i) => i.doc_count === want)
  })

  // The same document on both, over and over: no edit of the server's may be lost.
  await first.put({ _id: 'shared', n: 0 })
  await until(5000, 'the shared document', () => has(second, 'shared'))
  await Promise.all(
    [first, second].map(async (db, side) => {
      for (let n = 0; n < 20; n++) {
        await db.put({ ...(await db.get('shared')), side, n }).catch((err) => assert.equal(err.status, 409))
      }
    }),
  )
  await until(10000, 'one state on all', async () => {
    const [a, b, s] = await Promise.all([tree(first), tree(second), tree(toFirst)])
    return isDeepStrictEqual(a, b) && isDeepStrictEqual(a, s)
  })

  await Promise.all(syncs.map((s) => s.stop()))
})

// The hybrid app's own Sync with a network that fails where PouchDB asks for the size of the
// database after a batch: that must be no error of the page, and both sides end the same.
import assert from 'node:assert/strict'
import { local, PouchDB } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { need, run, until } from '../lib/talk.mjs'

await run(async () => {
  globalThis.PouchDB = PouchDB
  const { Sync } = await import(`${need('APP')}/js/sync.js`)
  const unhandled = []
  process.on('unhandledRejection', (err) => unhandled.push(err))

  const url = databaseURL()
  const token = await signedIn('alice')
  const fetchIt = async (to, options = {}) => {
    const headers = new Headers(options.headers)
    headers.set('Authorization', `Bearer ${token()}`)
    return fetch(to, { ...options, headers })
  }
  const put = await fetchIt(`${url}/there`, { method: 'PUT', body: '{}', headers: { 'Content-Type': 'application/json' } })
  assert.equal(put.status, 201)

  // Once documents are fetched, the next question for the size fails.
  let fetched = false
  let failed = 0
  const session = {
    fetch: (to, options) => {
      if (to.includes('/_bulk_get')) fetched = true
      if (fetched && to.replace(/\/$/, '') === url) {
        failed++
        throw new TypeError('Failed to fetch')
      }
      return fetchIt(to, options)
    },
  }
  const notes = local('notes')
  await notes.put({ _id: 'here' })
  const states = []
  const sync = new Sync({ local: notes, url, session, changed: (state) => states.push(state) })
  sync.start()
  await until(20_000, 'the document of the server', () => notes.get('there').catch(() => undefined))
  await until(20_000, 'the document of the app', async () => (await fetchIt(`${url}/here`)).ok)
  await until(20_000, 'a failed question', () => failed > 0)
  await new Promise((go) => setImmediate(go))
  await sync.stop()
  assert.deepEqual(unhandled.map(String), [])
  assert.ok(!states.includes('failed'), states.join(' '))
})

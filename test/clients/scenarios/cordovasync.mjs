// The hybrid app's own Sync with a network that fails where PouchDB asks for the size of the
// database after a batch: that must be no error of the page, and both sides end the same.
import assert from 'node:assert/strict'
import { local, PouchDB } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { need, run, until } from '../lib/talk.mjs'

// A new token that comes when its user has signed out is dropped: it must neither stay on the device, nor sign in for
// whoever came after.
async function signsOutWhileATokenIsRenewed() {
  const { Session } = await import(`${need('APP')}/js/session.js`)
  const [kept, sent] = [new Map(), []]
  const storage = { get: async (key) => kept.get(key), set: async (key, value) => kept.set(key, value), remove: async (key) => kept.delete(key) }
  let renewed
  const signIn = { refresh: () => new Promise((answer) => (renewed = answer)), revoke: async () => {} }
  globalThis.fetch = async (_, { headers } = {}) => { // a WebView that keeps no cookie
    const token = new Headers(headers).get('Authorization')?.slice('Bearer '.length) ?? null
    sent.push(token)
    return Response.json({ userCtx: { name: token } })
  }
  const session = new Session({ database: 'https://sync.example.com/notes', signIn, storage })
  await session.open({ idToken: 'alice', refreshToken: 'of alice', renew: 0 })
  const late = session.fetch('https://sync.example.com/notes/late')
  await session.close()
  assert.equal(kept.size, 0)
  await session.open({ idToken: 'bob', refreshToken: 'of bob', renew: Infinity })
  renewed({ idToken: 'alice', refreshToken: 'of alice', renew: Infinity })
  await late.catch(() => {})
  await session.fetch('https://sync.example.com/notes/next')
  assert.equal(sent.at(-1), 'bob')
  assert.equal(JSON.parse(kept.get('tokens')).idToken, 'bob')
}

// Somebody else's change arrives while the user writes, and the revision that they saw is compacted: both texts are kept.
async function keepsBothTexts() {
  const { Notes } = await import(`${need('APP')}/js/notes.js`)
  globalThis.PouchDB = PouchDB.defaults({ adapter: 'memory' })
  const notes = new Notes('alice')
  await notes.db.put({ _id: 'n', type: 'note', text: 'first', by: 'alice' })
  const [seen] = await notes.all()
  const came = { _id: 'n', _rev: '2-b', _revisions: { start: 2, ids: ['b', seen._rev.slice(2)] }, type: 'note', text: 'of bob', by: 'bob' }
  await notes.db.bulkDocs([came], { new_edits: false })
  await notes.edit(seen, 'of alice')
  const [note] = await notes.all()
  assert.deepEqual([note, ...note.others].map(({ text }) => text).toSorted(), ['of alice', 'of bob'])
  await notes.destroy()
}

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
  const sync = new Sync({ local: notes, url, user: 'alice', session, changed: (state) => states.push(state) })
  sync.start()
  await until(20_000, 'the document of the server', () => notes.get('there').catch(() => undefined))
  await until(20_000, 'the document of the app', async () => (await fetchIt(`${url}/here`)).ok)
  await until(20_000, 'a failed question', () => failed > 0)
  await new Promise((go) => setImmediate(go))
  await sync.stop()

  // A sign-in that was broken off left somebody else's session.
  const others = new Sync({ local: notes, url, user: 'bob', session, changed: (...what) => states.push(what.join(': ')) })
  await notes.put({ _id: 'of bob' })
  others.start()
  await until(20_000, 'the end of the sync', () => states.includes('ended: another user has signed in'))
  assert.equal((await fetchIt(`${url}/of%20bob`)).status, 404)
  assert.deepEqual(unhandled.map(String), [])
  assert.ok(!states.includes('failed'), states.join(' '))

  await signsOutWhileATokenIsRenewed()
  await keepsBothTexts()
})

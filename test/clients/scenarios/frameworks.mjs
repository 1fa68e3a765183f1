// The files of examples/frameworks, each in its framework: documents that are shown as they
// are, and a sync that says how it goes, also when the sign-in is lost. FRAMEWORKS is their
// folder, from where the frameworks can be imported.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { PouchDB, local, remote } from '../lib/pouch.mjs'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { need, run, until, within } from '../lib/talk.mjs'

const folder = pathToFileURL(`${need('FRAMEWORKS')}/`)
const example = (name) => import(new URL(name, folder))
const framework = (name) => import(pathToFileURL(createRequire(folder).resolve(name)))
const options = { startkey: 'note:', endkey: 'note:\uffff', filter: ({ hidden }) => !hidden }

// Each shows db's documents and its sync with server: texts() and state() are what is shown
// now, retry() is what a button does, leave() takes all of it off the screen.
const shows = {
  async react(db, server) {
    const { useDocuments, useSync } = await example('react.js')
    const { createElement } = await framework('react')
    const { render } = await framework('react-nil')
    let shown
    const Notes = () => {
      const { state, refused, retry } = useSync(db, server)
      shown = { docs: useDocuments(db, options), state, refused, retry }
      return null
    }
    render(createElement(Notes))
    await until(5000, 'the first render', () => shown)
    return { texts: () => shown.docs.map(({ text }) => text), state: () => shown.state, refused: () => shown.refused, retry: () => shown.retry(), leave: () => render(null) }
  },

  async svelte(db, server) {
    const { documents, syncing } = await example('svelte.js')
    const { derived } = await framework('svelte/store')
    const sync = syncing(db, server)
    let shown
    // Svelte's own store, of ours: it subscribes and leaves as a component does.
    const leave = derived([documents(db, options), sync], ([docs, { state, refused }]) => ({ docs, state, refused })).subscribe((now) => (shown = now))
    return { texts: () => shown.docs.map(({ text }) => text), state: () => shown.state, refused: () => shown.refused, retry: sync.retry, leave }
  },

  async vue(db, server) {
    const { useDocuments, useSync } = await example('vue.js')
    const { effectScope, watchEffect } = await framework('vue')
    const scope = effectScope()
    let shown, sync
    scope.run(() => {
      const docs = useDocuments(db, options)
      sync = useSync(db, server)
      watchEffect(() => (shown = { docs: docs.value, ...sync.status.value }))
    })
    return { texts: () => shown.docs.map(({ text }) => text), state: () => shown.state, refused: () => shown.refused, retry: sync.retry, leave: () => scope.stop() }
  },
}

// What a browser's window tells.
const browser = new EventTarget()
for (const name of ['addEventListener', 'removeEventListener']) globalThis[name] = browser[name].bind(browser)

// Not by PouchDB's fetch: on Node that keeps cookies by itself, and would send the other user's along with the one asked for.
async function session(token) {
  const made = await fetch(`${databaseURL()}/_session`, { method: 'POST', headers: { Authorization: `Bearer ${token}` } })
  assert.equal(made.status, 200)
  return made.headers.get('set-cookie').split(';')[0]
}

async function story(name, show) {
  const { onlyFor } = await example('live.js')
  const token = (await signedIn('alice'))()
  let cookie = await session(token)
  let plugged = true
  const url = databaseURL()
  const server = new PouchDB(url, {
    skip_setup: true,
    fetch: onlyFor('alice', (to, options) => {
      if (!plugged) return Promise.reject(new TypeError('fetch failed'))
      options.headers.set('Cookie', cookie)
      return fetch(to, options)
    }),
  })
  server.info = () => Promise.resolve({ db_name: url, update_seq: 0 }) // PouchDB leaves its failure unhandled
  const other = remote(url, () => token)
  const db = local(name)
  const syncs = [] // each with its options
  const sync = db.sync.bind(db)
  db.sync = (to, options) => {
    const running = sync(to, options)
    syncs.push({ running, options })
    return running
  }
  const note = (text, more) => ({ _id: `note:${name}:${text}`, text, ...more })
  await db.put(note('here before'))

  const shown = await show(db, server)
  const reads = (...texts) => until(10_000, `${name} shows ${texts}`, () => texts.every((text) => shown.texts().includes(text)))
  const state = (is) => until(15_000, `${name}: ${is}`, () => shown.state() === is)
  await reads('here before')
  await state('current')
  await db.bulkDocs([note('written here'), note('not shown', { hidden: true }), { ...note('elsewhere'), _id: `other:${name}` }])
  await reads('written here')
  await other.put(note('written there'))
  await reads('written there')
  assert.ok(!shown.texts().includes('not shown') && !shown.texts().includes('elsewhere'))

  // What the server does not take is not passed over: a design document is for administrators.
  assert.equal(shown.refused(), undefined)
  await db.put({ _id: `_design/${name}` })
  await until(10_000, `${name} tells what was refused`, () => shown.refused())
  await db.put(note('after that'))
  await until(10_000, 'the rest is sent', () => other.get(`note:${name}:after that`).catch(() => false))
  await state('current')
  assert.ok(shown.refused())

  plugged = false
  await db.put(note('offline'))
  await state('offline')
  await reads('offline')
  plugged = true
  await until(15_000, 'sent once there is a network', () => other.get(`note:${name}:offline`).catch(() => false))
  await state('current')

  // PouchDB's own pause grows to ten minutes. What the browser says of the network is not waited for.
  for (let wait = 0, tries = 0; tries < 30; tries++) assert.ok((wait = syncs[0].options.back_off_function(wait)) > 0 && wait <= 10_000)
  browser.dispatchEvent(new Event('online'))
  assert.equal(syncs.length, 2)
  await state('current')

  // Somebody else signs in: nothing goes to them.
  const alices = cookie
  cookie = await session((await signedIn('bob'))())
  await db.put(note('alone'))
  await state('signed-out')
  await assert.rejects(other.get(`note:${name}:alone`), (err) => err.status === 404)
  cookie = alices
  shown.retry()
  await until(10_000, 'sent as hers', () => other.get(`note:${name}:alone`).catch(() => false))
  await state('current')

  // Somebody ends the session: it is told, what is written stays, and goes on after sign-in.
  await fetch(`${url}/_session`, { method: 'DELETE', headers: { Cookie: cookie } })
  await state('signed-out')
  await db.put(note('signed out'))
  await reads('signed out')
  cookie = await session(token)
  shown.retry()
  await until(10_000, 'sent after sign-in', () => other.get(`note:${name}:signed out`).catch(() => false))
  await state('current')

  // Off the screen, nothing goes on. A sync may end with a pause of its own, of up to 10 s.
  shown.leave()
  await within(15_000, `${name} has left`, syncs.at(-1).running.catch(() => {}))
  const before = shown.texts().length
  await db.put(note('nobody looks'))
  await db.changes()
  assert.equal(shown.texts().length, before)
  const begun = syncs.length
  browser.dispatchEvent(new Event('online'))
  assert.equal(syncs.length, begun)
  await assert.rejects(other.get(`note:${name}:nobody looks`), (err) => err.status === 404)
}

await run(async () => {
  for (const [name, show] of Object.entries(shows)) await story(name, show)
})

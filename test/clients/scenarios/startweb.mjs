// The app of docs/start-web.md in a browser: alice signs in and writes, also while the server
// is away; bob sees it in a window of his own. Then he signs in in her browser, and she comes
// back. PAGE is where the app is served, SERVER the sync server.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { launch } from '../lib/chromium.mjs'
import { emit, heard, need, run } from '../lib/talk.mjs'

const page = need('PAGE')
const server = need('SERVER')

// open opens the app and signs in at the development provider.
async function open(context, user) {
  const window = await context.newPage()
  window.on('pageerror', (error) => {
    // PouchDB 9 leaves a rejection of its remote database's info() to nobody when the server
    // goes just then; the sync goes on all the same, which the story sees.
    if (!/^(Failed to fetch|the server answered 5)/.test(error.message)) emit('error', { message: error.message, stack: error.stack })
  })
  await window.goto(page)
  await signIn(window, user)
  return window
}

// session is a user's, as a cookie.
async function session(user) {
  const { id_token } = await (await fetch(`${server}/idp/dev/token`, { method: 'POST', body: new URLSearchParams({ user }) })).json()
  const made = await fetch(`${server}/notes/_session`, { method: 'POST', headers: { Authorization: `Bearer ${id_token}` } })
  const [, name, value] = /^(.*?)=(.*?);/.exec(made.headers.get('set-cookie'))
  return { name, value, url: server }
}

async function signIn(window, user) {
  await window.getByRole('button', { name: user }).click()
  await window.waitForURL(page)
  await window.getByText('up to date').waitFor()
}

async function add(window, text) {
  await window.getByLabel('A note').fill(text)
  await window.getByRole('button', { name: 'Add' }).click()
}

async function write(window, text) {
  await add(window, text)
  await window.getByRole('listitem').filter({ hasText: text }).waitFor()
}

run(async () => {
  const alices = await launch(join(need('SCRATCH'), 'alice'))
  const bobs = await launch(join(need('SCRATCH'), 'bob'))
  const alice = await open(alices, 'alice')
  const bob = await open(bobs, 'bob')
  await write(alice, 'written with a network')
  await bob.getByText('written with a network').waitFor()

  // Refused as a whole while the session is good: it is tried again.
  const headers = { 'Access-Control-Allow-Origin': new URL(page).origin, 'Access-Control-Allow-Credentials': 'true' }
  const refuse = (route) => route.fulfill({ status: 403, headers, json: { error: 'forbidden', reason: 'not now' } })
  await alice.route('**/_bulk_docs*', refuse, { times: 1 })
  await write(alice, 'written after a refusal')
  await bob.getByText('written after a refusal').waitFor()

  emit('stop')
  await heard('stopped')
  await write(alice, 'written without the server')
  await alice.getByText('offline: changes are kept here').waitFor()
  assert.equal(await bob.getByText('written without the server').count(), 0)
  emit('start')
  await heard('started')
  await bob.getByText('written without the server').waitFor({ timeout: 60_000 })

  // Another page of this server, in her browser, signs bob in, and her tabs are his: nothing of hers is shown, or
  // sent as his. Of several tabs, RxDB syncs in one.
  await alices.route('**/_bulk_docs*', (route) => route.abort())
  await write(alice, 'not sent by alice')
  const tab = await alices.newPage()
  await tab.goto(page)
  await tab.getByText('not sent by alice').waitFor()
  await alices.addCookies([await session('bob')])
  await alices.unroute('**/_bulk_docs*')
  for (const window of [alice, tab]) await window.getByText('not sent by alice').waitFor({ state: 'detached', timeout: 60_000 })
  await tab.close()
  const bobs2nd = alice
  await bobs2nd.getByText('up to date').waitFor()
  await write(bobs2nd, 'sent by bob')
  await bob.getByText('sent by bob').waitFor()
  assert.equal(await bob.getByText('not sent by alice').count(), 0)

  // His session ends, and she comes back. He writes before the page is told.
  let tell
  const told = new Promise((resolve) => { tell = resolve })
  await bobs2nd.route('**/_session', async (route) => {
    await told
    await route.continue().catch(() => {}) // the page has gone to the provider
  })
  await alices.clearCookies()
  await add(bobs2nd, 'not sent by bob')
  tell()
  await signIn(bobs2nd, 'alice')
  await bobs2nd.unrouteAll({ behavior: 'ignoreErrors' })
  await bobs2nd.getByText('not sent by alice').waitFor()
  await bob.getByText('not sent by alice').waitFor()
  for (const window of [bobs2nd, bob]) assert.equal(await window.getByText('not sent by bob').count(), 0)

  // Where nobody says who is signed in, it is who was there last, until it is said.
  await bobs2nd.route('**/_session', (route) => route.abort())
  await bobs2nd.reload()
  await bobs2nd.getByText('not sent by alice').waitFor()
  await bobs2nd.getByText('offline: changes are kept here').waitFor()
  await write(bobs2nd, 'written in a tunnel')
  await bobs2nd.unrouteAll()
  await bob.getByText('written in a tunnel').waitFor()
  await bobs2nd.getByText('up to date').waitFor()

  // PouchDB is told of the network; RxDB tries again by itself every five seconds.
  if (need('APP') === 'PouchDB') {
    const asked = bobs2nd.waitForRequest('**/_local/*')
    await bobs2nd.evaluate(() => dispatchEvent(new Event('online')))
    await asked
  }
  await alices.close()
  await bobs.close()
})

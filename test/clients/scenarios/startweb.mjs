// The app of docs/start-web.md in a browser: alice signs in and writes, also while the server
// is away; bob sees it in a window of his own. PAGE is where the app is served.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { launch } from '../lib/chromium.mjs'
import { emit, heard, need, run } from '../lib/talk.mjs'

const page = need('PAGE')

// open opens the app and signs in at the development provider.
async function open(context, user) {
  const window = await context.newPage()
  window.on('pageerror', (error) => {
    // PouchDB 9 leaves a rejection of its remote database's info() to nobody when the server
    // goes just then; the sync goes on all the same, which the story sees.
    if (error.message !== 'Failed to fetch') emit('error', { message: error.message, stack: error.stack })
  })
  await window.goto(page)
  await window.getByRole('button', { name: user }).click()
  await window.waitForURL(page)
  await window.getByText('up to date').waitFor()
  return window
}

async function write(window, text) {
  await window.getByLabel('A note').fill(text)
  await window.getByRole('button', { name: 'Add' }).click()
  await window.getByRole('listitem').filter({ hasText: text }).waitFor()
}

run(async () => {
  const alices = await launch(join(need('SCRATCH'), 'alice'))
  const bobs = await launch(join(need('SCRATCH'), 'bob'))
  const alice = await open(alices, 'alice')
  const bob = await open(bobs, 'bob')
  await write(alice, 'written with a network')
  await bob.getByText('written with a network').waitFor()

  emit('stop')
  await heard('stopped')
  await write(alice, 'written without the server')
  await alice.getByText('offline: changes are kept here').waitFor()
  assert.equal(await bob.getByText('written without the server').count(), 0)
  emit('start')
  await heard('started')
  await bob.getByText('written without the server').waitFor({ timeout: 60_000 })
  await alices.close()
  await bobs.close()
})

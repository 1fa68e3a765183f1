// The service worker of examples/frameworks: what a page wrote reaches the server after the
// page is closed, with Background Sync and without, and who is signed out is told.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { databaseURL, signedIn } from '../lib/session.mjs'
import { remote } from '../lib/pouch.mjs'
import { need, run, until } from '../lib/talk.mjs'

const site = need('SYNC_URL')

await run(async () => {
  const root = process.getuid?.() === 0 // the sandbox does not work for root
  const browser = await chromium.launch({ executablePath: need('CHROMIUM'), args: root ? ['--no-sandbox'] : [] })
  try {
    const context = await browser.newContext()
    const server = remote(databaseURL(), await signedIn('alice'))
    const open = async () => {
      const page = await context.newPage()
      await page.goto(`${site}/js/page.html`)
      return page
    }
    const hears = (page) => page.evaluate(() => new Promise((told) => (navigator.serviceWorker.onmessage = ({ data }) => told(data))))
    // write has a page keep a document on the device, and asks the worker to sync it.
    const write = (page, id) => page.evaluate(async (id) => {
      await new window.PouchDB('notes-alice').put({ _id: id })
      return window.keepSyncing('notes-alice')
    }, id)
    const arrives = (id) => until(20_000, `${id} is at the server`, () => server.get(id).then(() => true, () => false))

    let page = await open()
    await page.evaluate(async () => {
      const { keepSyncing } = await import('/js/keep-syncing.js')
      await navigator.serviceWorker.register('/js/sync-worker.js')
      await navigator.serviceWorker.ready
      const login = { method: 'POST', body: new URLSearchParams({ user: 'alice' }) }
      const { id_token } = await (await fetch('/idp/dev/token', login)).json()
      await fetch('/notes/_session', { method: 'POST', headers: { Authorization: `Bearer ${id_token}` } })
      window.keepSyncing = keepSyncing
    })
    assert.equal(await write(page, 'in-the-background'), 'background')
    await page.close()
    await arrives('in-the-background')

    page = await open()
    await page.evaluate(async () => {
      window.keepSyncing = (await import('/js/keep-syncing.js')).keepSyncing
      Object.defineProperty(ServiceWorkerRegistration.prototype, 'sync', { value: undefined }) // as in Firefox and Safari
    })
    assert.equal(await write(page, 'by-message'), 'now')
    await page.close()
    await arrives('by-message')

    // What the server does not take is told: a design document is for administrators.
    page = await open()
    const news = hears(page)
    await page.evaluate(async () => { window.keepSyncing = (await import('/js/keep-syncing.js')).keepSyncing })
    await write(page, '_design/mine')
    const { synced, refused } = await news
    assert.equal(synced, 'notes-alice')
    assert.deepEqual(refused.map(({ id }) => id), ['_design/mine'])
    assert.ok(refused[0].reason)
    await page.close()

    page = await open()
    const told = hears(page)
    await page.evaluate(async () => {
      window.keepSyncing = (await import('/js/keep-syncing.js')).keepSyncing
      await fetch('/notes/_session', { method: 'DELETE' })
    })
    await write(page, 'signed-out')
    assert.deepEqual(await told, { signedOut: 'notes-alice' })

    // Bob signs in, and what alice wrote is not sent as his.
    const toldAgain = hears(page)
    await page.evaluate(async () => {
      const { id_token } = await (await fetch('/idp/dev/token', { method: 'POST', body: new URLSearchParams({ user: 'bob' }) })).json()
      await fetch('/notes/_session', { method: 'POST', headers: { Authorization: `Bearer ${id_token}` } })
    })
    await write(page, 'of-alice')
    assert.deepEqual(await toldAgain, { signedOut: 'notes-alice' })
    await assert.rejects(server.get('of-alice'), (err) => err.status === 404)
  } finally {
    await browser.close()
  }
})

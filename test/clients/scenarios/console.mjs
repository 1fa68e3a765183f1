// Every view of the console, once, with much data: DOCS documents. SHOTS is a folder for screenshots,
// READ_ONLY_URL, ROLE_URL and CLAIM_URL are other administrators' sites of the same databases; TOKEN is an administrator's of the last.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { check } from '../lib/axe.mjs'
import { launch } from '../lib/chromium.mjs'
import { administrator, fill, markup, session } from '../lib/consoledata.mjs'
import { emit, need, run, until } from '../lib/talk.mjs'
import { Watch, fits } from '../lib/watch.mjs'

const site = need('ADMIN_URL')
const console_ = `${site}/_console/`
const count = Number(need('DOCS'))
const shots = need('SHOTS')
const ask = administrator(site)

// What a view may ask for when it is opened, beside the frame's own question.
const mostRequests = 8
const mostBytes = 40_000

let page
let watch

// open goes to a view as a link does, waits for its heading, and judges what that cost.
async function open(name, hash, heading) {
  const end = watch.since()
  const from = Date.now()
  await page.evaluate((to) => (location.hash = to), hash)
  await page.getByRole('heading', { level: 1, name: heading, exact: true }).waitFor()
  const ms = Date.now() - from
  const cost = await end()
  assert.ok(cost.requests <= mostRequests && cost.bytes <= mostBytes, `${name} asked for ${cost.requests} answers of ${cost.bytes} bytes: ${cost.paths}`)
  emit('view', { view: name, ms, requests: cost.requests, bytes: cost.bytes })
}

// look takes the view's pictures and has it checked, in both schemes. What is wrong but expected is passed over.
async function look(name, expected, schemes = ['light', 'dark']) {
  for (const colorScheme of schemes) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' })
    for (const width of [390, 1280]) {
      await page.setViewportSize({ width, height: width === 390 ? 844 : 800 })
      await fits(page, `${name} at ${width}`)
      await page.screenshot({ path: join(shots, `${name}-${width}-${colorScheme}.png`), fullPage: true })
      await check(page, `${name} at ${width}, ${colorScheme}`)
    }
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined, `${name} ran markup of a name`)
  watch.quiet(expected)
}

const button = (name) => page.getByRole('button', { name, exact: true })

async function view(name, hash, heading, use = () => {}) {
  await open(name, hash, heading)
  await use()
  await look(name)
}

// glance is view for what looks like another.
async function glance(name, hash, heading) {
  await open(name, hash, heading)
  await look(name, undefined, ['light'])
}

const reads = (text, in_ = page) => in_.getByText(text, { exact: false }).first().waitFor()

async function ofDocuments() {
  await view('databases', '#/', 'Databases', async () => {
    const { databases } = await ask('GET', '/_status')
    const shows = (n) => page.getByRole('cell', { name: n.toLocaleString('en'), exact: true }).first().waitFor()
    assert.ok(databases.notes.doc_count > count)
    await shows(databases.notes.doc_count)
    await ask('PUT', `/notes/live-${Date.now()}`, { channels: ['c7'] })
    await shows(databases.notes.doc_count + 1)
    await page.getByTitle(/^Sequence /).first().waitFor()
    const changes = Number((await page.getByTitle(/^Sequence /).first().textContent()).replaceAll(',', ''))
    assert.ok(changes > count && changes < 2 * count, `${changes} changes since the beginning`)
  })
  await view('documents', '#/db/notes', 'Documents of notes', async () => {
    assert.equal(await page.getByRole('row').count(), 51)
    await reads('text: Note number 7, channels: ["c7"]') // how it begins
    await page.getByRole('link', { name: 'Next page' }).click()
    await reads('note-0000060')
    await page.getByRole('link', { name: 'Previous page' }).click()
    await page.getByRole('link', { name: markup }).waitFor()
    await page.getByLabel('ID begins with').fill(`note-${String(count - 100).padStart(7, '0').slice(0, 5)}`)
    await button('Find').click()
    await until(10_000, 'the search', () => page.evaluate((first) => document.querySelector('td a')?.textContent === first, `note-${String(count - 100).padStart(7, '0').slice(0, 5)}00`))
  })
  await view('document', '#/db/notes/doc/shopping', 'shopping', async () => {
    await reads('given by the document')
    await reads('1 in conflict')
    await button('Preview photo.png').click()
    await page.getByRole('img', { name: 'photo.png' }).waitFor()
    await page.getByRole('button', { name: '2-00000000…' }).click()
    await reads('from another device')
    await page.getByText('All of it, as JSON').click()
    await reads('"created_sequence"')
  })
  await glance('markup', `#/db/notes/doc/${encodeURIComponent(markup)}`, markup)
  await open('collection', '#/db/notes.shop.orders', 'Documents of notes · shop.orders')
}

async function ofPeople(feed) {
  await view('users', '#/db/notes/users', 'Users of notes', async () => {
    assert.equal(await page.getByRole('row').count(), 51)
    await page.getByLabel('Name', { exact: true }).fill('carla')
    await page.getByRole('textbox', { name: 'Channels', exact: true }).fill('c1, c2')
    await page.getByRole('textbox', { name: 'Channels in shop.orders' }).fill('paid')
    await button('Make user').click()
    await page.getByRole('link', { name: 'carla' }).waitFor()
    await page.getByLabel('Name', { exact: true }).fill('carla')
    await button('Make user').click()
    await reads('Already exists (409 conflict)')
    watch.quiet((w) => w.includes('409')) // Chromium's own line
  })
  await view('user', '#/db/notes/user/amelie', 'amelie', async () => {
    await reads('to the role editors')
    await reads('continuous feed')
    await button('End the session of amelie').click()
    await page.getByRole('dialog').getByRole('button', { name: 'End session' }).click()
    await feed.ended
    await reads('Nobody is connected.')
  })
  await open('carla', '#/db/notes/user/carla', 'carla')
  await givesByCollection('/notes/_user/carla', ['c1', 'c2'])
  await button('Disable').click()
  await page.getByRole('dialog').getByRole('button', { name: 'Disable' }).click()
  await reads('disabled')
  await button('Delete').click()
  await look('dialog')
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByRole('heading', { level: 1, name: 'Users of notes' }).waitFor()
  await glance('markupuser', `#/db/notes/user/${encodeURIComponent(markup)}`, markup)
  await view('roles', '#/db/notes/roles', 'Roles of notes')
  await view('role', '#/db/notes/role/editors', 'editors', () => reads('drafts'))
  await page.getByRole('textbox', { name: 'Channels in shop.orders' }).fill('paid')
  await button('Save').click()
  await givesByCollection('/notes/_role/editors', ['drafts'])
}

// givesByCollection: the channels of the collection with a name are shown, changed and taken away in the form, and those of the default one stay.
async function givesByCollection(path, channels) {
  const orders = page.getByRole('textbox', { name: 'Channels in shop.orders' })
  const given = async () => {
    const all = await ask('GET', path)
    assert.deepEqual(all.admin_channels, channels)
    return (all.collection_access?.shop.orders.admin_channels ?? []).join(', ')
  }
  const paid = page.getByRole('row').filter({ hasText: 'paid' }).filter({ hasText: 'shop.orders' })
  await paid.waitFor()
  assert.equal(await given(), 'paid')
  assert.equal(await orders.inputValue(), 'paid')
  await orders.fill('')
  await button('Save').click()
  await paid.waitFor({ state: 'detached' })
  assert.equal(await given(), '')
}

// backsUp downloads a backup. The browser asks for it by itself, and it never is in the page.
async function backsUp(name) {
  await page.getByRole('heading', { level: 1, name: 'Backup' }).waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), button('Download backup').click()])
  assert.equal(file.url(), new URL('../_backup', page.url()).href)
  assert.match(file.suggestedFilename(), /^sync-\d{8}T\d{6}Z\.backup$/)
  const to = join(need('SCRATCH'), `${name}.backup`)
  await file.saveAs(to)
  emit('backup', { file: to })
}

async function ofWhatGoesOn() {
  await view('changes', '#/db/notes/changes', 'Changes of notes', async () => {
    assert.equal(await page.getByRole('row').count(), 51)
    await ask('PUT', `/notes/just-now-${Date.now()}`, { channels: ['c7'] })
    await reads('just-now-')
  })
  const cookie = await session(ask, 'amelie')
  const feed = follow(cookie)
  await view('connections', '#/db/notes/connections', 'Connections to notes', async () => {
    const end = button('End the session of amelie').first()
    await end.focus()
    await page.waitForResponse((r) => r.url().includes('/_connections'))
    await page.waitForResponse((r) => r.url().includes('/_connections'))
    // Not by a locator: the list may be drawn again between finding the button and looking at it.
    const held = await page.evaluate(() => document.activeElement.getAttribute('aria-label') ?? document.activeElement.textContent)
    assert.match(held, /^End( the session of amelie)?$/, 'the focus stays where it is')
  })
  await away()
  feed.stop()
  await view('dryrun', '#/db/notes/dryrun', 'Dry run in notes', async () => {
    await page.getByRole('textbox', { name: 'Document', exact: true }).fill('{"_id":"x","channels":["a","b"],"owner":"amelie"}')
    await page.getByLabel('Written by').selectOption('a user')
    await page.getByLabel('Name', { exact: true }).fill('boris')
    await button('Try it').click()
    await reads('refused with 403')
    await reads('amelie has to write this, and not boris.')
    await look('dryrun-refused', undefined, ['light'])
    const document = page.getByRole('textbox', { name: 'Document', exact: true })
    const text = await document.inputValue()
    await document.fill('')
    await button('Try it').click()
    await reads('The document is empty: write a JSON object')
    await document.fill(text)
    await page.getByLabel('Written by').selectOption('an administrator')
    await button('Try it').click()
    await reads('would be stored')
  })
}

// ofTheUnusual: what a client writes may be odd, answers may come late, and what is looked at may go.
async function ofTheUnusual() {
  await ask('PUT', '/notes/zz-brackets', { list: Array(80_000).fill([]) })
  const from = Date.now()
  await page.evaluate(() => (location.hash = '#/db/notes/doc/zz-brackets'))
  await page.getByRole('heading', { level: 1, name: 'zz-brackets', exact: true }).waitFor()
  await reads('"list": [')
  emit('view', { view: 'brackets', ms: Date.now() - from })

  // Of two revisions that are picked the later one is shown, whichever comes first.
  await page.evaluate(() => (location.hash = '#/db/notes/doc/shopping'))
  await page.getByRole('heading', { level: 1, name: 'shopping', exact: true }).waitFor()
  let send
  await page.route(/shopping\?rev=2-0/, (route) => (send = () => route.continue()))
  await page.getByRole('button', { name: '2-00000000…' }).click()
  await until(5000, 'the request for the first', () => send)
  await page.getByRole('button', { name: 'the winner' }).click()
  const content = page.getByLabel('Content', { exact: true })
  await reads('"edits": 11', content)
  const late = page.waitForEvent('requestfinished', (r) => r.url().includes('rev=2-0')).catch(() => {}) // or it is given up
  send()
  await Promise.race([late, page.waitForEvent('requestfailed', (r) => r.url().includes('rev=2-0')).catch(() => {})])
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))))
  assert.match(await content.textContent(), /"edits": 11/, 'the revision that was picked first came last')
  await page.unroute(/shopping\?rev=2-0/)

  // A database that is deleted is not shown as it was.
  await page.evaluate(() => (location.hash = '#/db/notes/connections'))
  await page.getByRole('heading', { level: 1, name: 'Connections to notes', exact: true }).waitFor()
  await page.route(/\/_connections/, (route) => route.fulfill({ status: 404, contentType: 'application/json', body: '{"error":"not_found","reason":"no_db_file"}' }))
  await page.getByRole('heading', { level: 1, name: 'There is no database notes' }).waitFor()
  await page.unroute(/\/_connections/)
  watch.quiet((w) => w.includes('404') || w.includes('Failed to load resource'))
}

// away: the server does not answer. What is shown says so, nothing of it can be pressed, and it recovers by itself.
async function away() {
  const end = button('End the session of amelie').first()
  await page.context().setOffline(true)
  await reads(/^No answer since \d/)
  assert.ok(await end.evaluate((control) => control.closest('[inert]') !== null))
  await look('lost', (w) => w.includes('Failed to load resource'))
  await page.evaluate(() => (location.hash = '#/db/notes/users'))
  await reads('The server cannot be reached.')
  await page.context().setOffline(false)
  await page.getByRole('heading', { level: 1, name: 'Users of notes' }).waitFor()
  await page.getByText(/^No answer since/).waitFor({ state: 'detached' })
  assert.equal(await page.locator('[inert]').count(), 0)
  watch.quiet((w) => w.includes('Failed to load resource'))
}

// follow opens a feed of a user; ended is its end.
function follow(cookie) {
  const stopped = new AbortController()
  const ended = fetch(`${need('SYNC_URL')}/notes/_changes?feed=continuous&since=now&heartbeat=10000`, { headers: { Cookie: cookie }, signal: stopped.signal }).then((r) => r.text())
  ended.catch(() => {})
  return { ended, stop: () => stopped.abort() }
}

async function ofTheServer() {
  const secret = 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJub2JvZHkifQ.c2VjcmV0'
  await view('tokens', '#/tokens', 'Why does this token not work?', async () => {
    await page.getByLabel('Token', { exact: true }).fill(secret)
    await button('Explain').click()
    await reads('It would not sign in')
    await keepsNo(secret)
    assert.ok(watch.asked.every((r) => !r.url().includes(secret)))
  })
  await view('metrics', '#/metrics', 'Metrics', async () => {
    await page.locator('.plot .line').first().waitFor()
    await page.waitForTimeout(2500)
  })
  await view('backup', '#/backup', 'Backup', () => reads('sync backup'))
  await backsUp('by-place')
  await glance('nowhere', '#/nowhere', 'There is no such page')
  await open('unknown', '#/db/nope', 'There is no database nope')
  await page.getByRole('link', { name: 'To the databases' }).waitFor()
  watch.quiet((w) => w.includes('404'))
  await open('missing', '#/db/notes/doc/none', 'That did not work')
  await reads('missing (404 not_found)')
  watch.quiet((w) => w.includes('404'))
}

// A site that is read-only has no control that changes anything.
async function readOnly() {
  await page.goto(`${need('READ_ONLY_URL')}/_console/#/db/notes/user/amelie`)
  watch = new Watch(page, need('READ_ONLY_URL'))
  await page.getByRole('heading', { level: 1, name: 'amelie' }).waitFor()
  await reads('read-only')
  for (const hash of ['#/db/notes/users', '#/db/notes/roles', '#/db/notes/role/editors', '#/db/notes/connections', '#/db/notes/user/amelie']) {
    await page.evaluate((to) => (location.hash = to), hash)
    await page.waitForTimeout(500)
    for (const name of ['Make user', 'Make role', 'Save', 'Disable', 'Delete', 'End', 'End the session of amelie', 'End all sessions']) assert.equal(await button(name).count(), 0, `${name} in ${hash}`)
  }
  await look('readonly')
  await page.evaluate(() => (location.hash = '#/backup'))
  await reads('Make it on the server')
  assert.equal(await button('Download backup').count(), 0)
}

// A site that wants to know who somebody is asks for a token, or for a database that this browser has a session of.
async function signedIn() {
  const url = need('ROLE_URL')
  const cookie = await session(ask, 'amelie')
  const [name, value] = cookie.split('=')
  await page.goto(`${url}/_console/`)
  watch = new Watch(page, url)
  await page.getByRole('heading', { level: 1, name: 'Sign in as an administrator' }).waitFor()
  await look('signin', (w) => w.includes('401'))
  await page.context().addCookies([{ name, value, url }])
  await page.getByLabel('Database').fill('notes')
  await button('Sign in').click()
  await page.getByRole('heading', { level: 1, name: 'Documents of notes' }).waitFor()
  watch.quiet((w) => w.includes('401')) // the site as a whole does not know a session
  await open('bysession', '#/db/notes/doc/shopping', 'shopping')
  watch.quiet()
}

// A site that allows a claim is administered with a token, which stays in memory.
async function byToken() {
  const url = need('CLAIM_URL')
  const token = need('TOKEN')
  await page.goto(`${url}/_console/#/db/notes/doc/shopping`)
  watch = new Watch(page, url)
  await page.getByLabel('Token').fill('not.a.token')
  await button('Sign in').click()
  await reads('(401 unauthorized)')
  await page.getByLabel('Token').fill(token)
  await button('Sign in').click()
  await page.getByRole('heading', { level: 1, name: 'shopping' }).waitFor()
  await button('Preview photo.png').click()
  await page.getByRole('img', { name: 'photo.png' }).waitFor()
  const [file] = await Promise.all([page.waitForEvent('download'), button('Download recipe.txt').click()])
  assert.equal(file.suggestedFilename(), 'recipe.txt')
  watch.quiet((w) => w.includes('401'))
  await open('bytoken', '#/', 'Databases')
  await page.evaluate(() => (location.hash = '#/backup'))
  await backsUp('by-token')
  assert.ok(watch.asked.every((r) => !r.url().includes(token)))
  await keepsNo(token)
  await page.reload()
  await page.getByRole('heading', { level: 1, name: 'Sign in as an administrator' }).waitFor()
}

// keepsNo fails if the page has written a secret anywhere that outlives it.
async function keepsNo(secret) {
  const kept = await page.evaluate(async () => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie, location.href, history.state, await indexedDB.databases(), await caches.keys()]))
  assert.ok(!kept.includes(secret))
}

run(async () => {
  mkdirSync(shots, { recursive: true })
  if (!process.env.FILLED) {
    const from = Date.now()
    await fill(ask, count)
    emit('filled', { ms: Date.now() - from })
  }
  const context = await launch(mkdtempSync(join(need('SCRATCH'), 'console-')), { acceptDownloads: true, viewport: { width: 1280, height: 800 }, locale: 'en-US', colorScheme: 'light' })
  // A developer's copy of the files, without a new binary.
  const files = process.env.CONSOLE_FILES
  if (files) {
    const types = { css: 'text/css', js: 'text/javascript', svg: 'image/svg+xml', '': 'text/html' }
    await context.route(/\/_console\/[a-z.]*$/, (route) => {
      const name = new URL(route.request().url()).pathname.split('/').pop()
      return route.fulfill({ path: join(files, name || 'index.html'), contentType: types[name.split('.')[1] ?? ''] })
    })
  }
  const feed = follow(await session(ask, 'amelie'))
  page = await context.newPage()
  page.setDefaultTimeout(15_000)
  watch = new Watch(page, site)
  await page.goto(console_)
  const only = process.env.ONLY
  const parts = { ofDocuments, ofTheUnusual, ofPeople: () => ofPeople(feed), ofWhatGoesOn, ofTheServer, readOnly, signedIn, byToken }
  for (const [name, part] of Object.entries(parts)) if (!only || only === name) await part()
  await context.close()
})

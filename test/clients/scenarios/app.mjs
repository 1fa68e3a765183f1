// The story of the quickstart's app: alice and bob share a list in two browsers, and have
// everything happen to them that can. OUT is a folder for pictures of what they saw.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'
import { check, fits } from '../lib/axe.mjs'
import { Person } from '../lib/person.mjs'
import { emit, heard, need, run, until } from '../lib/talk.mjs'

const site = need('SYNC_URL')
const admin = `${need('ADMIN_URL')}/lists`
const out = need('OUT')
const requests = new Set()
const findings = []

// look keeps pictures of a view, and has each of them checked.
const look = (person, view) =>
  person.photograph(out, view, async (where, width) => {
    if (width === 390) await fits(person.page, where)
    findings.push(...(await check(person.page, where)))
  })

// ended measures how long the app takes to say that the sign-in is over. act ends it.
async function ended(person, what, act) {
  await act()
  const from = Date.now()
  await person.reads(/^You have been signed out/)
  emit('ended', { what, ms: Date.now() - from })
}

async function administrator(method, path) {
  const response = await fetch(admin + path, { method, headers: { 'Content-Type': 'application/json' } })
  assert.ok(response.ok, `${method} ${path}: ${response.status}`)
}

const databases = (person) => person.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).toSorted())

async function begin(alice, bob) {
  await alice.reads('Lists that you share')
  await look(alice, 'welcome')
  await alice.press('Sign in')
  await alice.press('Cancel')
  await alice.reads('Lists that you share')
  await alice.signIn({ there: () => look(alice, 'provider') })
  assert.equal(alice.page.url(), `${site}/`, 'the code is not in the address bar')
  await alice.reads('No lists yet')
  await look(alice, 'no-lists')
  await alice.makeList('Groceries')
  await look(alice, 'no-items')
  for (const text of ['Milk', 'Bread', 'Apples']) await alice.add(text)
  await alice.makeList('A trip to the mountains with everybody who wants to come')
  await alice.makeList('Books')

  await bob.signIn()
  await bob.reads('No lists yet')
  await alice.choose('Groceries')
  const from = Date.now()
  await alice.sharing(async (dialog) => {
    const name = dialog.getByLabel('Share with')
    await name.fill('bob, carol')
    await alice.page.keyboard.press('Enter')
    assert.ok(await name.evaluate((field) => field.matches(':invalid')), 'it is one name')
    await name.fill('')
  })
  await alice.share('bob')
  await bob.choose('Groceries')
  await bob.item('Milk').check()
  await alice.page.getByRole('checkbox', { name: /^Milk/, checked: true }).waitFor()
  emit('shared', { ms: Date.now() - from })
  await look(alice, 'list')
  await look(bob, 'list-of-another')
  await alice.page.goto(`${site}/#`)
  await look(alice, 'lists')
  await alice.choose('Groceries')
}

async function offline(alice, bob) {
  await alice.offline(true)
  await alice.reads(/^Offline$/)
  await alice.add('written offline')
  await alice.edit('Apples', 'Green apples')
  await look(alice, 'offline')
  await alice.open() // the browser was closed meanwhile
  await alice.choose('Groceries')
  await alice.reads('written offline')
  await alice.reads(/^Offline$/)
  await bob.lacks('written offline')
  await alice.offline(false)
  await alice.reads(/^Up to date$/)
  await bob.reads('written offline')
  await bob.reads('Green apples')
}

// stopped: the server itself is away, and comes back.
async function stopped(alice, bob) {
  if (!process.env.RESTARTS) return // run by hand
  emit('stop')
  await heard('stopped')
  for (const person of [alice, bob]) await person.reads(/^Offline$/)
  await alice.open()
  await alice.choose('Groceries')
  await alice.add('from alice, meanwhile')
  await bob.add('from bob, meanwhile')
  emit('start')
  await heard('started')
  await alice.reads('from bob, meanwhile', 40_000)
  await bob.reads('from alice, meanwhile', 40_000)
}

// conflict: both change the same item, one of them offline. choose settles it.
async function conflict(alice, bob, { text, mine, theirs, choose }) {
  await alice.offline(true)
  await alice.reads(/^Offline$/)
  await alice.edit(text, mine)
  await bob.edit(text, theirs)
  await bob.reads(/^Up to date$/)
  await alice.offline(false)
  for (const person of [alice, bob]) await person.reads('Changed on two devices at once')
  await choose()
  for (const person of [alice, bob]) await person.lacks('Changed on two devices at once')
}

async function conflicts(alice, bob) {
  await conflict(alice, bob, {
    text: 'Milk', mine: 'Oat milk', theirs: 'Soy milk',
    choose: async () => {
      await look(alice, 'conflict')
      await alice.press('Keep mine: Oat milk ✓')
    },
  })
  for (const person of [alice, bob]) await person.item('Oat milk').waitFor()
  await conflict(alice, bob, { text: 'Bread', mine: 'Rye bread', theirs: 'White bread', choose: () => alice.press('Keep this one: White bread') })
  for (const person of [alice, bob]) {
    await person.item('White bread').waitFor()
    await person.lacks('Rye bread')
  }
}

// meanwhile: both have the same item's dialog open, and nothing of either is lost.
async function meanwhile(alice, bob) {
  await alice.add('Cofee')
  await alice.change('Cofee', async (dialog) => {
    await dialog.getByLabel('Text', { exact: true }).fill('Coffee')
    await alice.page.keyboard.press('Enter')
    await dialog.waitFor({ state: 'hidden' })
  }, false)
  await bob.item('Coffee').waitFor()
  const opened = async (person, text) => {
    await person.press(`Edit ${text}`)
    return person.page.getByRole('dialog').getByLabel('Text', { exact: true })
  }

  // Both change the text: bob has seen in his dialog what alice changed.
  const [hers, his] = [await opened(alice, 'Coffee'), await opened(bob, 'Coffee')]
  await hers.fill('Espresso')
  await alice.press('Save')
  await bob.page.locator('#items').getByText('Espresso').waitFor({ state: 'attached' })
  await his.fill('Decaf')
  await bob.press('Save')
  for (const person of [alice, bob]) await person.reads('Changed on two devices at once')
  await look(bob, 'conflict-online')
  await bob.press('Keep both, as two items')
  for (const person of [alice, bob]) {
    await person.lacks('Changed on two devices at once')
    for (const text of ['Espresso', 'Decaf']) await person.item(text).waitFor()
  }

  // Somebody else ticks it, which is no conflict.
  const decaf = await opened(alice, 'Decaf')
  await bob.item('Decaf').check()
  await alice.page.locator('#items').getByRole('checkbox', { name: /^Decaf/, checked: true, includeHidden: true }).waitFor({ state: 'attached' })
  await decaf.fill('Decaf beans')
  await alice.press('Save')
  await bob.page.getByRole('checkbox', { name: /^Decaf beans/, checked: true }).waitFor()
  await bob.lacks('Changed on two devices at once')

  // Somebody else deletes it.
  const beans = await opened(bob, 'Decaf beans')
  await alice.press('Edit Decaf beans')
  await alice.press('Delete')
  await bob.page.getByText('Decaf beans').waitFor({ state: 'detached' })
  await beans.fill('Decaf beans, 500 g')
  await bob.press('Save')
  await bob.reads('Somebody deleted this item meanwhile. Put it back?')
  await bob.reads('“Decaf beans, 500 g”')
  await look(bob, 'deleted-meanwhile')
  await bob.press('Put it back')
  for (const person of [alice, bob]) await person.item('Decaf beans, 500 g').waitFor()

  // Nobody deletes what they have not seen. The notice goes with the view.
  await opened(alice, 'Espresso')
  await bob.edit('Espresso', 'Ristretto')
  await alice.page.locator('#items').getByText('Ristretto').waitFor({ state: 'attached' })
  await alice.press('Delete')
  await alice.reads('bob changed this item to “Ristretto” meanwhile. It was not deleted.')
  await alice.item('Ristretto').waitFor()
  await alice.choose('Books')
  await alice.lacks('It was not deleted')
  await alice.choose('Groceries')

  // A double click makes one.
  await alice.page.getByLabel('Add to the list').fill('Once')
  await alice.button('Add').dblclick()
  await bob.item('Once').waitFor()
  await alice.add('after it')
  await bob.item('after it').waitFor()
  for (const person of [alice, bob]) assert.equal(await person.item('Once').count(), 1)
}

// picture is a photo, larger than the app keeps them.
async function picture(browser) {
  const page = await browser.newPage({ viewport: { width: 2000, height: 1500 } })
  await page.setContent('<body style="margin:0;height:100vh;background:radial-gradient(circle at 30% 35%, #fff3b0 0 9%, transparent 10%), linear-gradient(#4aa3df 0 62%, #3c7d3f 62%)">')
  const buffer = await page.screenshot()
  await page.close()
  return { name: 'holiday.png', mimeType: 'image/png', buffer }
}

async function photos(alice, bob, browser) {
  const file = await picture(browser)
  await bob.press('Edit Green apples')
  await bob.page.locator('#item-file').setInputFiles({ name: 'holiday.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('no picture') })
  await bob.reads('This file is not a picture that the browser can read.')
  await look(bob, 'no-picture')
  await bob.press('Close')
  await alice.change('Green apples', async (dialog) => {
    await dialog.locator('input[type=file]').setInputFiles(file)
    await dialog.getByRole('button', { name: 'Remove the photo' }).waitFor()
  })
  await bob.press('Photo of Green apples')
  const shown = bob.page.locator('#photo')
  await until(10_000, 'the photo', () => shown.evaluate((img) => img.complete && img.naturalWidth))
  assert.deepEqual(await shown.evaluate((img) => [img.naturalWidth, img.naturalHeight]), [1280, 960], 'made smaller')
  await look(bob, 'photo')
  await bob.press('Close')
  await bob.press('Edit Green apples')
  await look(bob, 'item')
  await bob.page.keyboard.press('Escape')
  await look(bob, 'list-with-photo')

  // A conflict whose other version has a photo: it comes along when that is kept.
  await conflict(alice, bob, { text: 'Green apples', mine: 'Red apples', theirs: 'Pears', choose: async () => {
    await look(bob, 'conflict-with-photo')
    await bob.press('Keep this one: Red apples')
  } })
  for (const person of [alice, bob]) await person.button('Photo of Red apples').waitFor()

  // So it does where both are online, and the version that alice goes on from is compacted.
  await alice.change('Red apples', async (dialog) => {
    await bob.edit('Red apples', 'Plums')
    await alice.page.locator('#items').getByText('Plums').waitFor({ state: 'attached' })
    await dialog.getByLabel('Text', { exact: true }).fill('Red apples, ripe')
  })
  await bob.reads('Changed on two devices at once')
  await bob.press('Keep this one: Red apples, ripe')
  for (const person of [alice, bob]) await person.button('Photo of Red apples, ripe').waitFor()
  await bob.edit('Red apples, ripe', 'Red apples')
  for (const person of [alice, bob]) await person.button('Photo of Red apples').waitFor()
}

async function unshared(alice, bob) {
  await alice.sharing(() => look(alice, 'sharing'))
  const before = await databases(bob)
  await bob.offline(true)
  const second = await bob.context.newPage() // it does not sync, and has the lists open all the same
  await second.goto(`${site}/`)
  await second.getByText('Groceries').first().waitFor()
  await alice.unshare('bob')
  await bob.add('too late')
  await bob.offline(false)
  await bob.reads('“Groceries” is no longer shared with you.')
  await bob.reads('No lists yet')
  await bob.lacks('Red apples')
  await look(bob, 'no-longer-shared')
  await until(10_000, 'nothing of it is left in the browser', async () => (await databases(bob)).every((name) => !before.includes(name) || !name.includes('bob')))
  await second.getByText('No lists yet').waitFor()
  await second.close()
  await alice.lacks('too late')

  await alice.share('bob')
  await bob.choose('Groceries')
  await bob.item('Oat milk').waitFor()
  await bob.button('Photo of Red apples').waitFor()
  const from = Date.now()
  await alice.unshare('bob')
  await bob.reads('No lists yet')
  emit('unshared', { ms: Date.now() - from })
  await alice.share('bob')
  await bob.choose('Groceries')
}

// left: bob leaves the list by himself, and alice lets him in again.
async function left(alice, bob) {
  const before = await databases(bob)
  const leave = async (sure) => {
    await bob.press('Share')
    await bob.press('Leave the list')
    await bob.reads('can share it with you again')
    await sure()
  }
  await bob.press('Share')
  await look(bob, 'members')
  assert.equal(await bob.page.getByRole('dialog').getByRole('button', { name: 'Remove' }).count(), 0, 'a member removes nobody else')
  await bob.page.keyboard.press('Escape')
  await leave(async () => {
    await look(bob, 'leave')
    await bob.press('Cancel')
  })
  await bob.item('Oat milk').waitFor()

  await bob.offline(true)
  await bob.reads(/^Offline$/)
  await leave(() => bob.press('Leave'))
  await bob.reads('You can leave the list when it can be.')
  await bob.item('Oat milk').waitFor()
  await bob.press('Dismiss')
  await bob.offline(false)
  await bob.reads(/^Up to date$/)

  const from = Date.now()
  await leave(() => bob.press('Leave'))
  await bob.reads('No lists yet')
  emit('left', { ms: Date.now() - from })
  await until(10_000, 'nothing of it is left in the browser', async () => (await databases(bob)).every((name) => !before.includes(name) || !name.includes('bob')))
  await alice.sharing(async (dialog) => {
    await dialog.getByRole('button', { name: 'Remove bob' }).waitFor({ state: 'hidden' })
  })
  await alice.item('Oat milk').waitFor()
  await alice.share('bob')
  await bob.choose('Groceries')
}

async function revoked(alice, bob) {
  await ended(alice, 'an administrator ended the sessions', () => administrator('DELETE', '/_user/alice/_session'))
  await look(alice, 'signed-out')
  await alice.add('while signed out')
  await bob.lacks('while signed out')
  await alice.open()
  await alice.choose('Groceries')
  await alice.reads('while signed out') // also after the tab was closed
  await alice.signIn({ button: 'Sign in again' })
  await alice.reads('while signed out')
  await bob.reads('while signed out')
}

// tabs: one of them syncs for both.
async function tabs(alice, bob) {
  const first = alice.page
  alice.page = undefined
  await alice.open()
  const second = alice.page
  await alice.reads(/^Up to date$/)
  await alice.choose('Groceries')
  await alice.add('in the second tab')
  await bob.reads('in the second tab')
  alice.page = first
  await alice.reads('in the second tab')
  await first.close()
  alice.page = second
  await alice.reads(/^Up to date$/)
  await bob.add('after the first tab')
  await alice.reads('after the first tab')
}

async function everywhere(alice, bob, make) {
  const phone = await make('alice', { viewport: { width: 390, height: 844 }, hasTouch: true })
  await phone.signIn()
  await alice.press('Account: alice')
  await alice.page.getByRole('dialog').getByText('(this browser)').waitFor()
  await alice.reads('Chrome on Linux')
  await look(alice, 'account')
  await alice.page.keyboard.press('Escape')

  // Both devices are alice's, and rename the list at once.
  await phone.choose('Groceries')
  await phone.offline(true)
  for (const [person, name] of [[phone, 'Things to buy'], [alice, 'Shopping']]) {
    await person.press('Rename or delete the list')
    await person.page.getByRole('textbox', { name: 'Name' }).fill(name)
    await person.press('Save')
    await person.page.getByRole('heading', { name }).waitFor()
  }
  await phone.offline(false)
  await alice.reads('Changed on two devices at once')
  await alice.press('Keep mine: Shopping, with alice, bob')
  for (const person of [phone, alice, bob]) await person.page.getByRole('heading', { name: 'Shopping' }).waitFor()
  await alice.lacks('Changed on two devices at once')

  await alice.press('Account: alice')
  await ended(phone, 'alice signed out everywhere', () => alice.press('Sign out everywhere'))
  await alice.reads('Lists that you share')
  await bob.reads(/^Up to date$/)

  // Somebody else at alice's browser has a database of their own, and alice's stays. What
  // another tab shows follows.
  const other = await alice.context.newPage()
  await other.goto(`${site}/`)
  await alice.signIn({ as: 'carol' })
  await alice.reads('No lists yet')
  await other.close()
  const names = await databases(alice)
  for (const user of ['alice', 'carol']) assert.ok(names.some((name) => name.includes(`lists-${user}-`)), `${user}: ${names}`)
  await alice.press('Account: carol')
  await alice.page.getByLabel('Also remove my lists').check()
  await alice.press('Sign out')
  await alice.reads('Lists that you share')
  await until(10_000, "carol's lists are gone", async () => !(await databases(alice)).some((name) => name.includes('carol')))
  await alice.signIn()
  const second = await alice.context.newPage()
  await second.goto(`${site}/`)
  await second.getByText('Shopping').first().waitFor()
  await alice.press('Account: alice')
  await alice.press('Sign out')
  await second.getByText('Lists that you share').waitFor()
  await second.close()
  await alice.signIn()
  await alice.choose('Shopping')
  await alice.reads('after the first tab')
}

async function deleted(alice, bob) {
  await alice.press('Rename or delete the list')
  await look(alice, 'list-dialog')
  await alice.page.getByRole('textbox', { name: 'Name' }).fill('Food')
  await alice.page.keyboard.press('Enter')
  await bob.page.getByRole('heading', { name: 'Food' }).waitFor()
  await alice.press('Rename or delete the list')
  await alice.press('Delete the list')
  await alice.reads(/^Delete “Food” and its \d+ items for alice and bob\?$/)
  await look(alice, 'delete-list')
  await alice.press('Cancel')
  await alice.page.getByRole('heading', { name: 'Food' }).waitFor()
  await alice.press('Rename or delete the list')
  await alice.press('Delete the list')
  await alice.page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click()
  await alice.reads('“Food” is deleted.')
  await bob.reads('No lists yet')
  await alice.lacks('“Food” is deleted.')
}

// size is what the app's first load transfers.
async function size(browser) {
  const context = await browser.newContext({ serviceWorkers: 'block' })
  const page = await context.newPage()
  const loaded = []
  page.on('requestfinished', (request) => loaded.push(request))
  await page.goto(`${site}/`, { waitUntil: 'networkidle' })
  const sizes = await Promise.all(loaded.map(async (request) => [new URL(request.url()).pathname, (await request.sizes()).responseBodySize]))
  await context.close()
  return { bytes: sizes.reduce((sum, [, bytes]) => sum + bytes, 0), files: Object.fromEntries(sizes) }
}

await run(async () => {
  const root = process.getuid?.() === 0 // the sandbox does not work for root
  const browser = await chromium.launch({ executablePath: need('CHROMIUM'), args: root ? ['--no-sandbox'] : [] })
  const people = []
  const make = async (name, options) => {
    people.push(await Person.make(browser, site, name, { seen: (url) => requests.add(new URL(url).origin), ...options }))
    return people.at(-1)
  }
  try {
    emit('size', await size(browser))
    const alice = await make('alice')
    const bob = await make('bob')
    for (const part of [begin, offline, stopped, conflicts, meanwhile, photos, unshared, left, revoked, tabs]) {
      const from = Date.now()
      await part(alice, bob, browser)
      emit('told', { part: part.name, ms: Date.now() - from })
    }
    await everywhere(alice, bob, make)
    await deleted(alice, bob)

    assert.deepEqual([...requests].filter((origin) => origin !== site && origin !== 'null'), [], 'no request leaves the site')
    assert.deepEqual(people.flatMap(({ console }) => console), [])
    emit('findings', { findings })
  } catch (err) {
    await Promise.all(people.map(({ name, page }, i) => page.screenshot({ path: `${out}/failed-${i}-${name}.png` }).catch(() => {})))
    throw err
  } finally {
    await browser.close()
  }
})

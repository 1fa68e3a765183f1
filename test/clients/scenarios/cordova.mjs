// The story of examples/cordova: alice has the app on a phone, bob the same page in a
// browser. APP is the folder of the app's files, COOKIES what the WebView does with the
// session's cookie: "kept" or "dropped".
import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import { Phone, Screen } from '../lib/phone.mjs'
import { databaseURL } from '../lib/session.mjs'
import { emit, need, run, until } from '../lib/talk.mjs'

const site = need('SYNC_URL')
const admin = `${need('ADMIN_URL')}/notes`
const kept = need('COOKIES') === 'kept'

// administrator asks the administrator's site.
async function administrator(method, path, body) {
  const response = await fetch(`${admin}${path}`, { method, headers: { 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) })
  assert.ok(response.ok, `${method} ${path}: ${response.status}`)
  return response.json().catch(() => undefined)
}

const sessions = async (user) => (await administrator('GET', `/_user/${user}/_session`)).sessions

async function inBrowser(phone) {
  const page = await phone.other({ viewport: { width: 1200, height: 900 } })
  await page.goto(`${site}/`)
  await page.getByRole('button', { name: 'Sign in', exact: true }).click()
  await page.getByRole('button', { name: 'bob' }).click()
  const bob = new Screen(page)
  await bob.reads('Up to date')
  assert.equal(page.url(), `${site}/`, 'the code is not in the address bar')
  assert.ok((await page.evaluate(() => history.length)) <= 4)
  return bob
}

// ended waits until the app says that the sign-in is over. act ends it.
async function ended(alice, what, act) {
  await act()
  const from = Date.now()
  await alice.reads('Your sign-in has ended')
  emit('ended', { what, ms: Date.now() - from })
}

async function offline(phone, alice, bob) {
  await phone.offline(true)
  await alice.reads('Offline.')
  await alice.write('written offline')
  await alice.edit('buy milk', 'buy oat milk')
  await bob.lacks('written offline')
  await phone.offline(false)
  await bob.reads('written offline')
  await bob.reads('buy oat milk')
}

// conflict: both change the same note, one of them offline.
async function conflict(phone, alice, bob) {
  await phone.offline(true)
  await alice.edit('written offline', "alice's words")
  await bob.edit('written offline', "bob's words")
  await phone.offline(false)
  for (const screen of [alice, bob]) await screen.reads('Changed on two devices at once')
  await alice.page.getByRole('button', { name: "alice's words (alice)" }).click()
  for (const screen of [alice, bob]) {
    await screen.page.getByText('Changed on two devices').first().waitFor({ state: 'hidden' })
    await screen.reads("alice's words")
    await screen.lacks("bob's words")
  }
}

async function revoked(phone, alice, bob) {
  await ended(alice, 'an administrator ended the sessions', () => administrator('DELETE', '/_user/alice/_session'))
  await alice.reads('buy oat milk') // what is here stays
  await alice.write('while signed out')
  await bob.lacks('while signed out')

  await phone.start()
  alice.page = phone.app
  await alice.reads('while signed out') // also after the app was ended
  await alice.reads('Your sign-in has ended')

  // The system ends the app while its user is in the browser.
  await phone.signIn('Sign in again', 'alice', {
    meanwhile: async () => {
      await phone.start()
      alice.page = phone.app
    },
  })
  await bob.reads('while signed out')
  await alice.reads('Up to date')
}

async function disabled(phone, alice, bob) {
  await ended(alice, 'an administrator disabled the user', () => administrator('PUT', '/_user/alice', { disabled: true }))
  await phone.signIn('Sign in again', 'alice')
  await alice.reads(/^Not signed in: .*disabled/)
  await administrator('PUT', '/_user/alice', { disabled: false })
  await bob.write('from bob')
  await alice.lacks('from bob')
  await phone.signIn('Sign in again', 'alice')
  await alice.reads('from bob')
}

// foreign answers are those that the app did not ask for.
async function foreign(phone, alice) {
  const begun = phone.keychain.get('pending')
  await phone.answer(`${phone.scheme}://signed-in?code=stolen&state=guessed`)
  await phone.answer(`${phone.scheme}://elsewhere?code=stolen&state=guessed`)
  await phone.answer(phone.answers.at(-1)) // the same twice
  await alice.reads('Up to date')
  assert.equal(phone.keychain.get('pending'), begun)
}

// expires: tokens live for seconds here.
async function expires(phone, alice, bob) {
  const token = () => JSON.parse(phone.keychain.get('tokens')).idToken
  const seen = new Set()
  await until(20_000, 'three tokens', () => seen.add(token()).size >= 3)
  await bob.write('after two tokens')
  await alice.reads('after two tokens')
  await alice.write('by another token')
  await bob.reads('by another token')
}

await run(async () => {
  const phone = await Phone.make({ folder: need('APP'), scheme: 'com.example.notes', profile: mkdtempSync(join(need('SCRATCH'), 'phone-')) })
  try {
    const alice = new Screen(phone.app)
    await phone.signIn('Sign in', 'alice')
    await alice.reads('Up to date')
    await alice.write('buy milk')
    const bob = await inBrowser(phone)
    await bob.reads('buy milk')
    assert.deepEqual([...phone.keychain.keys()], kept ? [] : ['tokens'], 'a token is kept only where it is needed')

    await offline(phone, alice, bob)
    if (kept) {
      await conflict(phone, alice, bob)
      await revoked(phone, alice, bob)
    } else {
      await expires(phone, alice, bob)
    }
    await disabled(phone, alice, bob)
    await foreign(phone, alice)

    const tokens = phone.keychain.get('tokens')
    const before = (await sessions('alice')).length
    await alice.signOut({ clear: true })
    if (kept) assert.equal((await sessions('alice')).length, before - 1, 'signing out ends the session')
    assert.equal(phone.keychain.size, 0)
    await alice.lacks('from bob')
    assert.deepEqual(await alice.page.evaluate(async () => (await indexedDB.databases()).map(({ name }) => name).filter((name) => name.includes('alice'))), [])
    await bob.signOut()

    emit('secrets', { secrets: [...phone.answers.map((url) => new URL(url).searchParams.get('code')), ...Object.values(JSON.parse(tokens ?? '{}')).filter((value) => typeof value === 'string')] })
    emit('console', { lines: phone.console })
  } finally {
    await phone.turnOff()
  }
})

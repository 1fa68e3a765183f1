// Signing out by way of the provider (RP-Initiated Logout): the session here is over, and
// so is the one at the provider, which tells the server (Back-Channel Logout).
import assert from 'node:assert/strict'
import { Browser } from '../lib/browser.mjs'
import { openFeed } from '../lib/feed.mjs'
import { databaseURL } from '../lib/session.mjs'
import { wellKnown } from '../lib/signin.mjs'
import { emit, need, run, within } from '../lib/talk.mjs'

const database = databaseURL()
const provider = need('PROVIDER')
const user = process.env.USER_NAME ?? 'bob'
const app = need('APP')
const secrets = []

const discovered = await (await fetch(wellKnown(need('ISSUER')))).json()

const bearer = (token) => ({ Authorization: `Bearer ${token}` })

async function signIn(browser) {
  const end = await browser.visit(`${database}/_oidc?${new URLSearchParams({ provider })}`, { user })
  assert.equal(end.response.status, 200, `${end.url.pathname}: ${end.text.slice(0, 500)}`)
  const answer = JSON.parse(end.text)
  secrets.push(answer.id_token, answer.session_id, end.url.searchParams.get('code'))
  return { ...answer, cookie: browser.jar(database).header(database), way: end.way }
}

const status = async (headers) => (await fetch(database, { headers })).status

// feeds opens one feed by cookie and one by bearer, each in place for longer than the
// second after which it holds a lease (DECISIONS 38).
async function feeds({ id_token, cookie }) {
  const open = [await openFeed(database, { headers: { Cookie: cookie } }), await openFeed(database, { headers: bearer(id_token) })]
  await new Promise((go) => setTimeout(go, 1200))
  return open
}

// over wants the feeds to have ended by a second after now. ms is from began, before the
// browser went off to the provider.
async function over(open, began, what) {
  const now = Date.now()
  for (const feed of open) {
    const { body, at } = await within(3000, `the end of a feed after ${what}`, feed.ended)
    assert.ok(at >= began, `the feed ended before ${what}`)
    assert.ok(at - now < 1000, `the feed ended ${at - now} ms after ${what}`)
    assert.match(body, /"last_seq"/, 'a whole body')
    emit('ended', { what, ms: at - began })
  }
}

// The server's own page signs out: the session ends at once, the rest at the provider.
async function byServer() {
  const browser = new Browser()
  const first = await signIn(browser)
  const elsewhere = await signIn(new Browser())
  const open = await feeds(first)

  const began = Date.now()
  const end = await browser.visit(`${database}/_oidc_logout`, {
    user,
    until: (to) => to.origin === app,
    options: { method: 'POST', body: new URLSearchParams({ provider, return_to: `${app}/bye`, id_token_hint: first.id_token }) },
  })
  assert.equal(end.url.href, `${app}/bye`, `${end.response?.status}: ${end.text?.slice(0, 300)}`)
  assert.ok(end.way.some((url) => url.startsWith(discovered.end_session_endpoint)), 'by way of the provider')
  await over(open, began, 'signing out at the server')
  assert.equal(browser.jar(database).header(database), '', 'the cookie is gone')
  assert.equal(await status({ Cookie: first.cookie }), 401)
  assert.equal(await status(bearer(first.id_token)), 401, 'the provider said that the sign-in is over')

  if (process.env.BY_SESSION) assert.equal(await status({ Cookie: elsewhere.cookie }), 200, 'another sign-in is not touched')
  else assert.equal(await status({ Cookie: elsewhere.cookie }), 401, "all of the user's end if the provider names no sign-in")

  // The provider has forgotten the browser too: it asks again.
  const again = await signIn(browser)
  assert.ok(again.way.length > 3, 'the provider did not ask who signs in')
  assert.equal(await status({ Cookie: again.cookie }), 200)
  assert.equal(await status(bearer(again.id_token)), 200)
}

// Somebody signs out at the provider, without coming by this server.
async function byProvider() {
  const browser = new Browser()
  const first = await signIn(browser)
  const open = await feeds(first)

  assert.equal(discovered.backchannel_logout_supported, true)
  const out = new URL(discovered.end_session_endpoint)
  out.searchParams.set('id_token_hint', first.id_token)

  const began = Date.now()
  const end = await browser.visit(out.href, { user })
  assert.equal(end.response.status, 200, end.text.slice(0, 300))
  await over(open, began, 'signing out at the provider')
  assert.equal(await status({ Cookie: first.cookie }), 401)
  assert.equal(await status(bearer(first.id_token)), 401, 'the old token')

  const again = await signIn(browser)
  assert.equal(await status({ Cookie: again.cookie }), 200, 'a fresh session')
  assert.equal(await status(bearer(again.id_token)), 200, 'a fresh token')
}

await run(async () => {
  await byServer()
  await byProvider()
  emit('secrets', { secrets })
})

// The administrators' HTTP interface of the site that the console is on.

const site = new URL('../', document.baseURI)

// The token lives here and nowhere else: it is gone with the page.
let token = ''

export const signInWith = (bearer) => (token = bearer)
export const hasToken = () => token !== ''

// APIError is a refusal, in the server's words.
export class APIError extends Error {
  constructor(status, error, reason) {
    super(reason)
    Object.assign(this, { name: 'APIError', status, error, reason })
  }
}

// at is a path below the site, each part of it escaped. A query is an object.
export function at(parts, query) {
  const url = new URL(parts.map(encodeURIComponent).join('/'), site)
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== '') url.searchParams.set(name, value)
  }
  return url
}

// What is shown is old as long as the server does not answer. told is called with the time since
// when, and with undefined when it answers again, which is tried every two seconds.
let told = () => {}
let lostSince
export const whenLost = (listener) => (told = listener)

async function lost() {
  if (lostSince) return
  told((lostSince = new Date()))
  while (lostSince) {
    await new Promise((over) => setTimeout(over, 2000))
    const answer = await fetch(at(['_session']), { headers: authorization(), redirect: 'error', cache: 'no-store' }).catch(() => null)
    if (answer && !gone(answer.status)) found()
  }
}

function found() {
  if (!lostSince) return
  lostSince = undefined
  told(undefined)
}

// gone is what a proxy answers for a server that is away.
const gone = (status) => status === 502 || status === 503 || status === 504
const authorization = () => (token ? { Authorization: `Bearer ${token}` } : {})

// send makes a request and returns the response; refusals are thrown.
export async function send(url, { method = 'GET', body, signal } = {}) {
  const headers = authorization()
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  let response
  try {
    response = await fetch(url, { method, headers, body: body === undefined ? undefined : JSON.stringify(body), signal, redirect: 'error', cache: 'no-store' })
  } catch (err) {
    if (err.name === 'AbortError') throw err
    lost()
    throw new APIError(0, 'unreachable', 'The server cannot be reached.')
  }
  if (!gone(response.status)) found()
  if (response.ok) return response
  const text = await response.text()
  let told = {}
  try {
    told = JSON.parse(text)
  } catch {
    // Caddy's own refusals have no body.
  }
  throw new APIError(response.status, told.error ?? 'error', told.reason ?? (response.statusText || 'The server refused.'))
}

export const get = async (parts, query, signal) => (await send(at(parts, query), { signal })).json()
export const post = async (parts, body, signal) => (await send(at(parts), { method: 'POST', body, signal })).json()
export const put = (parts, body) => send(at(parts), { method: 'PUT', body })
export const remove = (parts) => send(at(parts), { method: 'DELETE' })

// whoami is who is signed in: on a site that asks for no token, whoever is there.
export const whoami = (database, signal) => get(database ? [database, '_session'] : ['_session'], undefined, signal)

// passOver is for what is asked again and again: the next time comes all the same, and what is shown
// is said to be old. That somebody may not see it any more, or that it is gone, is thrown.
export function passOver(err) {
  if ([401, 403, 404].includes(err.status)) throw err
  if (gone(err.status)) lost()
}

// every calls act again and again, as long as the page is looked at and signal has not ended it.
export async function every(ms, signal, act) {
  for (;;) {
    await pause(ms, signal)
    if (signal.aborted) return
    if (document.visibilityState !== 'visible') continue
    try {
      await act()
    } catch (err) {
      if (signal.aborted) return
      passOver(err)
    }
  }
}

export function pause(ms, signal) {
  return new Promise((over) => {
    const timer = setTimeout(over, ms)
    signal.addEventListener('abort', () => { clearTimeout(timer); over() }, { once: true })
  })
}

// POST /login {"name","password","code"} → {"token","expires_in"}. Behind Caddy only: it
// listens on this machine and believes what Caddy says about the client's address.
import { createServer } from 'node:http'
import { isIPv6 } from 'node:net'
import { Keys } from './keys.mjs'
import { Login, Refusal } from './login.mjs'
import { newToken } from './token.mjs'
import { Users } from './users.mjs'

const port = Number(process.env.PORT ?? 4000)
const issuer = process.env.ISSUER ?? 'http://localhost:8080/login' // as in the Caddyfile
const audience = process.env.AUDIENCE ?? 'notes' // as in the Caddyfile
const lifetime = 5 * 60 // seconds: a token is traded for a session at once
const month = 30 * 24 * 3600
const maxBody = 4096

const seconds = () => Date.now() / 1000
const keys = new Keys(process.env.KEYS ?? './keys', lifetime)
const login = new Login(new Users(process.env.USERS ?? './users'))

// A line of JSON for each event; never a password, a code or a token.
const log = (event, more) => console.log(JSON.stringify({ time: new Date().toISOString(), event, ...more }))

async function answer(request, response) {
  const address = addressOf(request)
  try {
    if (request.url !== '/login') throw new Refusal(404, 'not found')
    if (request.method !== 'POST') throw new Refusal(405, 'only POST')
    const now = seconds()
    const name = await login.check(await bodyOf(request), address, now)
    const token = newToken(name, { jwk: keys.current(now), issuer, audience, lifetime, now })
    log('signed in', { name, address })
    send(response, 200, { token, expires_in: lifetime })
  } catch (err) {
    refuse(response, err, address)
  }
}

function refuse(response, err, address) {
  const known = err instanceof Refusal
  log(known ? 'refused' : 'failed', { address, name: err.user, why: known ? err.why : err.stack })
  if (!known) return send(response, 500, { error: 'internal error' })
  if (err.retryAfter) response.setHeader('Retry-After', err.retryAfter)
  if (err.status === 405) response.setHeader('Allow', 'POST')
  send(response, err.status, { error: err.message })
}

function send(response, status, body) {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(JSON.stringify(body) + '\n')
}

// bodyOf reads JSON and nothing else: a form of another site cannot send it.
async function bodyOf(request) {
  if (!/^application\/json\s*(;|$)/i.test(request.headers['content-type'] ?? '')) {
    throw new Refusal(415, 'send application/json')
  }
  let text = ''
  // All of it is read, so that the answer arrives, and no more kept than is needed.
  for await (const chunk of request.setEncoding('utf8')) {
    if (text.length <= maxBody) text += chunk
  }
  if (text.length > maxBody) throw new Refusal(413, 'the body is too long')
  try {
    return JSON.parse(text) ?? {}
  } catch {
    throw new Refusal(400, 'the body is not JSON')
  }
}

// addressOf is the client as Caddy sees it; of IPv6 the network, since one client has
// many addresses in it.
function addressOf(request) {
  const address = request.headers['x-real-ip'] ?? request.socket.remoteAddress
  if (!isIPv6(address) || address.startsWith('::ffff:')) return address
  const [head, tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) groups.push(...Array(8).fill('0'))
  return groups.slice(0, 4).join(':') + '::/64'
}

keys.start(seconds())
setInterval(() => keys.rotateIfOlder(month, seconds()), 3600 * 1000).unref()

const server = createServer(answer)
server.requestTimeout = 10_000
server.listen(port, '127.0.0.1', () => log('listening', { port }))
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => server.close(() => process.exit(0)))

// node test/soak/soak.mjs [minutes]: makes and removes the same things again and again on the built server
// (`make build`), which runs on loopback in a temporary folder: documents with attachments, deletions, purges,
// expiry, _local documents, users, roles, sessions, feeds, indexes, views, databases, replications, reloads and
// backups. Once a minute it says what the server takes; what grows with time, and not with what is there, is
// a leak. In the end the store is checked. Attachments are kept for an hour after nothing names them, ended
// sessions for a day, and the audit log for a week, so that the disk grows for that long.
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const minutes = Number(process.argv[2] ?? 50)
const binary = new URL('../../bin/caddy-sync', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'caddy-sync-soak-'))
const control = 'http://localhost:7020', site = 'http://localhost:7080', admin = 'http://127.0.0.1:7081'
const until = Date.now() + minutes * 60_000

const caddyfile = (bulk) => `{
	admin localhost:7020
	persist_config off
	log {
		output file ${folder}/server.log
		level WARN
	}
	sync {
		store badger ${folder}/data {
			memory 64MiB
		}
		database notes {
			password_auth
			sync_function ${folder}/notes.sync.js
			user_views *
			retention {
				tombstones 1m
				old_revisions 1m
				local_documents 1m
				lost_access 1m
			}
			limits {
				bulk_docs ${bulk}
			}
		}
		database * {
			access shared
		}
		stream_close_delay 1s
	}
}
http://localhost:7080 {
	bind 127.0.0.1
	sync notes
	respond 404
}
http://127.0.0.1:7081 {
	bind 127.0.0.1
	sync * {
		admin {
			allow loopback
		}
	}
	respond 404
}
`

const any = (n) => Math.floor(Math.random() * n)
const expected = new Set([404, 409, 412]) // what a race between two of them may be answered
const failures = {}
let requests = 0
let last = 0 // what is made once has this number in its name
const fail = (what) => { failures[what] = (failures[what] ?? 0) + 1 }

// parsed is an answer in JSON, an empty object for what is none.
function parsed(text) {
  try {
    return JSON.parse(text)
  } catch {
    return {}
  }
}

async function ask(base, path, { method = 'GET', json, body, headers = {}, signal } = {}) {
  requests++
  if (json !== undefined) headers = { 'Content-Type': 'application/json', ...headers }
  const response = await fetch(base + path, { method, headers, signal, body: json === undefined ? body : JSON.stringify(json) })
  const text = await response.text()
  if (response.status >= 400 && !expected.has(response.status)) fail(`${method} ${path.replace(/\d+/g, '#').slice(0, 60)}: ${response.status}`)
  return { status: response.status, headers: response.headers, value: parsed(text) }
}
const put = (path, json = {}) => ask(admin, path, { method: 'PUT', json })
const post = (path, json = {}) => ask(admin, path, { method: 'POST', json })
const remove = (path) => ask(admin, path, { method: 'DELETE' })

const login = (user) => ({ Authorization: 'Basic ' + Buffer.from(`${user}:password-${user}`).toString('base64') })
const makeUser = (user) => put(`/notes/_user/${user}`, { password: `password-${user}`, admin_channels: [`c${any(20)}`], admin_roles: [`r${any(5)}`] })

const revs = {}
async function edit() {
  const id = `d${any(300)}`
  const doc = { n: last++, channels: [`c${any(20)}`], user: `u${any(10)}`, role: `role:r${any(5)}`, text: 'x'.repeat(any(2000)) }
  const { status, value } = await put(`/notes/${id}`, { ...doc, _rev: revs[id] })
  revs[id] = status < 300 ? value.rev : (await ask(admin, `/notes/${id}`)).value._rev
}
async function deleteOne() {
  const id = `d${any(300)}`
  if (revs[id]) await remove(`/notes/${id}?rev=${revs[id]}`)
  delete revs[id]
}
async function passing() {
  const id = `passing${last++}`
  const { value } = await put(`/notes/${id}`, { channels: [`t${last % 50}`] })
  if (last % 3) await remove(`/notes/${id}?rev=${value.rev}`)
  else await post('/notes/_purge', { [id]: ['*'] })
}
const expiring = () => put(`/notes/expiring${last++}`, { channels: ['e'], _exp: 2 + Math.floor(Date.now() / 1000) })
const local = () => put(`/notes/_local/l${last++}`, { n: last })
async function attach() {
  const id = `a${any(20)}`
  const { value } = await ask(admin, `/notes/${id}`)
  const rev = value._rev ? `?rev=${value._rev}` : ''
  await ask(admin, `/notes/${id}/file${rev}`, { method: 'PUT', body: Buffer.alloc(any(200_000), any(256)), headers: { 'Content-Type': 'application/octet-stream' } })
}
async function session() {
  const user = `u${any(10)}`
  const { headers } = await ask(site, '/notes/_session', { method: 'POST', json: {}, headers: login(user) })
  const cookie = { Cookie: headers.get('Set-Cookie')?.split(';')[0] ?? '' }
  await ask(site, '/notes/_session?one_time=true', { method: 'POST', json: {}, headers: cookie })
  await ask(site, `/notes/_changes?limit=20&since=${any(100)}`, { headers: cookie })
  await ask(site, '/notes/_all_docs?limit=5', { headers: cookie })
  if (any(4)) await ask(site, '/notes/_session', { method: 'DELETE', headers: cookie })
  else await remove(`/notes/_user/${user}/_session`)
}
async function guestOfAnHour() {
  const user = `w${last++}`
  await makeUser(user)
  await ask(site, '/notes/_session', { method: 'POST', json: {}, headers: login(user) })
  await remove(`/notes/_user/${user}`)
  await put(`/notes/_role/x${last}`, { admin_channels: [`q${last}`] })
  await remove(`/notes/_role/x${last}?purge=true`)
}
async function follow() {
  const kind = ['longpoll', 'continuous', 'eventsource'][any(3)]
  const signal = AbortSignal.timeout(1 + any(8000))
  await ask(site, `/notes/_changes?feed=${kind}&since=now&timeout=5000`, { headers: login(`u${any(10)}`), signal }).catch(() => {})
}
async function index() {
  const name = `ix${last++}`
  await post('/notes/_index', { index: { fields: ['n'] }, ddoc: name, name: 'by-n' })
  await post('/notes/_find', { selector: { n: { $gt: any(1000) } }, limit: 5 })
  await sleep(3000)
  await remove(`/notes/_index/${name}/json/by-n`)
}
async function view() {
  const { value } = await ask(admin, '/notes/_design/v')
  const map = `function (doc) { if (doc.n % ${2 + any(5)}) emit(doc.n, 1) }`
  await put('/notes/_design/v', { _rev: value._rev, views: { v: { map, reduce: '_sum' } } })
  await ask(admin, '/notes/_design/v/_view/v')
  await ask(site, '/notes/_design/v/_view/v?reduce=false&limit=3', { headers: login('u1') })
  await post('/notes/_view_cleanup')
}
async function databases() {
  const name = `x${last++}`
  await put(`/${name}`)
  for (let n = 0; n < 5; n++) await put(`/${name}/${n}`)
  await post('/_replicate', { source: `${admin}/${name}`, target: `${name}b`, create_target: true })
  await remove(`/${name}`)
  await remove(`/${name}b`)
}
async function reload() {
  writeFileSync(`${folder}/Caddyfile`, caddyfile(1000 + (last % 100)))
  execFileSync(binary, ['reload', '--config', `${folder}/Caddyfile`, '--address', 'localhost:7020'], { stdio: 'ignore' })
}
async function backup() {
  const response = await fetch(`${admin}/_backup`)
  let size = 0
  for await (const piece of response.body) size += piece.length
  console.log(`backup: ${response.status}, ${size} bytes`)
}
async function say(pid) {
  const pprof = async (what) => (await fetch(`${control}/debug/pprof/${what}`, { headers: { Origin: control } })).text()
  const goroutines = (await pprof('goroutine?debug=1')).split('\n')[0].split(' ').at(-1)
  await pprof('heap?gc=1&debug=1') // what this one frees, the next one does not count
  const heap = /# HeapAlloc = (\d+)/.exec(await pprof('heap?gc=1&debug=1'))[1]
  const anonymous = /RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]
  const disk = execFileSync('du', ['-sk', `${folder}/data`]).toString().split('\t')[0]
  const { value } = await ask(admin, '/notes')
  console.log(`${new Date().toISOString().slice(11, 19)} ${requests} requests: ${goroutines} goroutines, heap ${(heap / 2 ** 20).toFixed(1)} MiB, anonymous ${(anonymous / 1024).toFixed(0)} MiB, ` +
    `${readdirSync(`/proc/${pid}/fd`).length} files, disk ${(disk / 1024).toFixed(0)} MiB, ${value.doc_count} documents, ${value.doc_del_count} tombstones, sequence ${value.update_seq}`)
}

// again does something now and then, ms apart on average.
async function again(ms, act) {
  while (Date.now() < until) {
    await act().catch((err) => {
      // A connection that was kept open may end by a reload as it is used again (DECISIONS 40).
      if (err.cause?.code !== 'UND_ERR_SOCKET') fail(`${act.name}: ${err.message} ${err.cause?.code ?? ''}`)
    })
    await sleep(Math.max(0, Math.min(ms * (0.5 + Math.random()), until - Date.now())))
  }
}

writeFileSync(`${folder}/notes.sync.js`, 'function (doc) { channel(doc.channels); if (doc.user) { access(doc.user, doc.channels); role(doc.user, doc.role) } }')
writeFileSync(`${folder}/Caddyfile`, caddyfile(1000))
const out = openSync(`${folder}/out.log`, 'w')
const server = spawn(binary, ['run', '--config', `${folder}/Caddyfile`], { stdio: ['ignore', out, out] })
const ended = new Promise((done) => server.once('exit', done))
for (let n = 0; !(await fetch(`${admin}/notes`).catch(() => ({}))).ok; n++) {
  if (n === 100) throw new Error(`the server does not start: ${folder}/out.log`)
  await sleep(200)
}
for (let n = 0; n < 10; n++) await makeUser(`u${n}`)
for (let n = 0; n < 5; n++) await put(`/notes/_role/r${n}`, { admin_channels: [`c${any(20)}`, `c${any(20)}`] })
await Promise.all([
  again(40, edit), again(200, deleteOne), again(100, passing), again(300, expiring), again(300, local), again(500, attach),
  again(300, session), again(2000, guestOfAnHour), again(200, follow), again(200, follow), again(200, follow),
  again(15_000, index), again(20_000, view), again(4000, databases), again(60_000, reload), again(240_000, backup),
  again(60_000, async function tell() { await say(server.pid) }),
])
await say(server.pid)
server.kill()
await ended
console.log(execFileSync(binary, ['sync', 'check', `${folder}/data`]).toString().trim().split('\n').at(-1))
console.log('failures:', failures)
if (Object.keys(failures).length === 0) rmSync(folder, { recursive: true })
else {
  console.log(`logs and store: ${folder}`)
  process.exitCode = 1
}

// node client.mjs alice: notes on this device, in sync with the server while there is one
// and a session. Each line that you type is a note.
import { randomUUID } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import PouchDB from 'pouchdb'
import { ask, onLine } from './terminal.mjs'

const server = process.env.SYNC_URL ?? 'http://localhost:8080'
const name = process.argv[2]
if (!name) throw new Error('usage: node client.mjs <name>')

const folder = `./data/client-${name}`
mkdirSync(folder, { recursive: true })
const notes = new PouchDB(`${folder}/notes`)
// PouchDB.fetch keeps cookies as a browser does, and the session is one.
const remote = new PouchDB(`${server}/notes`, { skip_setup: true })

// PouchDB by itself waits for up to ten minutes before it tries again.
const back_off_function = (ms) => Math.min(ms * 2 || 500, 10_000)

// Lines that are pasted come in one moment, and so may those of two devices.
const newID = () => `${new Date().toISOString()}-${randomUUID().slice(0, 8)}`
const write = (text) => text.trim() && notes.put({ _id: newID(), text, by: name }).catch((err) => console.log(`Not kept: ${text} (${err.message})`))
for (;;) {
  await signIn()
  onLine(write)
  const reason = await syncUntilSignedOut()
  onLine()
  console.log(`The session has ended (${reason}). Notes are kept here until you sign in again.`)
}

// signIn gets a token for a password and a code, and trades it for a session.
async function signIn() {
  for (;;) {
    const password = await ask('Password: ', { hidden: true })
    const code = await ask('Code: ')
    try {
      const { token } = await post('/login', { 'Content-Type': 'application/json' }, JSON.stringify({ name, password, code }))
      const { userCtx } = await post('/notes/_session', { Authorization: `Bearer ${token}` })
      console.log(`Signed in as ${userCtx.name}.`)
      return
    } catch (err) {
      console.log(`Not signed in: ${err.message}`)
    }
  }
}

async function post(path, headers, body) {
  const response = await PouchDB.fetch(server + path, { method: 'POST', headers, body })
  const answer = await response.json().catch(() => ({}))
  if (response.ok) return answer
  const wait = response.headers.get('retry-after')
  throw new Error((answer.reason ?? answer.error ?? `status ${response.status}`) + (wait ? ` ${wait} s` : ''))
}

// syncUntilSignedOut lasts as long as the session. Lost connections are tried again; 401
// is not, since only the user has the next code.
function syncUntilSignedOut() {
  return new Promise((ended) => {
    notes
      .sync(remote, { live: true, retry: true, back_off_function })
      .on('change', ({ direction, change }) => {
        for (const { text, by } of change.docs) console.log(`${direction === 'push' ? 'sent' : 'received'}: ${text} (${by})`)
      })
      .on('error', (err) => ended(err.reason ?? err.message))
  })
}

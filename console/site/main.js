// The frame around the views: which one the address names, who is signed in, and what fails.
import { h, put, failure, say } from './dom.js'
import { whoami, whenLost } from './api.js'
import { signIn } from './signin.js'
import { databases } from './databases.js'
import { documents } from './documents.js'
import { document_ } from './document.js'
import { changes } from './changes.js'
import { connections } from './connections.js'
import { users, user } from './users.js'
import { roles, role } from './roles.js'
import { dryRun } from './dryrun.js'
import { tokens } from './tokens.js'
import { metrics } from './metrics.js'
import { backup } from './backup.js'
import { link, parts as partsOf, databaseOf, titleOf } from './address.js'

const server = [
  ['Databases', link()],
  ['Metrics', link('metrics')],
  ['Tokens', link('tokens')],
  ['Backup', link('backup')],
]

// ofDatabase are the views of a database. Those of documents are about one of its collections.
const ofDatabase = {
  docs: { name: 'Documents', show: documents, collection: true },
  doc: { show: document_, collection: true, below: 'docs' },
  changes: { name: 'Changes', show: changes, collection: true },
  dryrun: { name: 'Dry run', show: dryRun, collection: true },
  users: { name: 'Users', show: users },
  user: { show: user, below: 'users' },
  roles: { name: 'Roles', show: roles },
  role: { show: role, below: 'roles' },
  connections: { name: 'Connections', show: connections },
}

const ofServer = { metrics, tokens, backup }

const main = document.getElementById('main')
let leave = new AbortController()
// state is what is known of the administrator: readOnly, and for those who are one in a database alone, which.
const state = { known: false, readOnly: true, database: '', unreached: false }

async function show() {
  leave.abort()
  leave = new AbortController()
  const { signal } = leave
  state.unreached = false
  const address = partsOf()
  const waiting = setTimeout(() => put(main, h('p', { class: 'empty' }, 'Loading …')), 300)
  try {
    if (!state.known) await learn(address, signal)
    if (address.length === 0 && state.database) return location.replace(link('db', state.database))
    frame(address)
    const view = find(address)
    const shown = view ? await view(address.slice(2), { signal, readOnly: state.readOnly, fail, refresh: show, query: address.query }) : nothing()
    if (signal.aborted) return
    put(main, shown)
    arrive()
  } catch (err) {
    if (signal.aborted || err.name === 'AbortError') return
    fail(err)
  } finally {
    clearTimeout(waiting)
  }
}

// learn asks who is signed in, at the site or, where that is not to be had, in the database of the address.
async function learn(address, signal) {
  let session
  try {
    session = await whoami('', signal)
  } catch (err) {
    const database = state.database || (address[0] === 'db' ? databaseOf(address[1]) : '')
    if ((err.status !== 401 && err.status !== 403) || !database) throw err
    session = await whoami(database, signal)
    state.database = database
  }
  Object.assign(state, { known: true, readOnly: session.read_only })
}

function find([place, second, third]) {
  if (place === undefined) return databases
  if (place === 'db' && second) return ofDatabase[third ?? 'docs']?.show
  return second === undefined ? ofServer[place] : undefined
}

const nothing = () => [h('h1', null, 'There is no such page'), h('p', null, h('a', { href: link() }, 'To the databases'))]

// fail shows what is the matter. Who is not signed in, or not any more, is asked to.
export function fail(err) {
  leave.abort()
  state.unreached = err.status === 0
  const [place, keyspace] = partsOf()
  if (err.status === 401 || (err.status === 403 && !state.known)) {
    state.known = false
    put(document.getElementById('server'))
    put(document.getElementById('place'))
    put(main, signIn(err, (database) => { state.database = database; show() }))
  } else if (keyspace && place === 'db' && err.status === 404 && (err.error === 'error' || err.reason === 'no_db_file')) { // Caddy's own, or the site's
    put(main, h('h1', null, `There is no database ${databaseOf(keyspace)}`), h('p', null, h('a', { href: link() }, 'To the databases')))
    put(document.getElementById('place'))
  } else {
    put(main, h('h1', null, 'That did not work'), failure(err), h('p', null, h('button', { type: 'button', onclick: show }, 'Try again')))
  }
  arrive()
}

// What is shown while the server does not answer is grey, and nothing of it can be pressed.
const banner = document.getElementById('lost')
let held // what had the focus
whenLost((since) => {
  banner.textContent = since ? `No answer since ${since.toLocaleTimeString()}. What is shown is from before.` : ''
  if (since) held = main.contains(document.activeElement) ? document.activeElement : undefined
  main.inert = Boolean(since)
  document.body.classList.toggle('lost', Boolean(since))
  if (since) return
  held?.focus({ preventScroll: true })
  say('The server answers again.')
  if (state.unreached) show()
})

// arrive tells the browser's user where they are.
function arrive() {
  const heading = main.querySelector('h1')
  const title = heading?.textContent ?? ''
  document.title = `${title} – caddy-sync console`
  if (document.activeElement === document.body || !document.activeElement?.closest('dialog, header')) main.focus({ preventScroll: true })
  scrollTo(0, 0)
  showPlace()
  say(title)
}

// showPlace moves the bars, which may be wider than a phone, to where one is.
function showPlace() {
  document.querySelectorAll('nav [aria-current]').forEach((here) => here.scrollIntoView({ block: 'nearest', inline: 'center' }))
}

// frame draws what leads to other views.
function frame([place, keyspace, view = 'docs']) {
  const item = ([name, href, here]) => h('a', { href, 'aria-current': here ? 'page' : null }, name)
  const databasesOnly = state.database ? [[titleOf(state.database), link('db', state.database), true]] : server
  put(document.getElementById('server'), databasesOnly.map(([name, href, here]) => item([name, href, here || href === link(...(place && place !== 'db' ? [place] : place ? ['none'] : []))])))
  put(document.getElementById('grant'), state.readOnly && h('span', { class: 'badge', title: 'The site lets administrators look, and change nothing.' }, 'read-only'))
  const bar = document.getElementById('place')
  if (place !== 'db' || !keyspace) return put(bar)
  const below = ofDatabase[view]?.below ?? view
  put(bar, h('nav', { class: 'place', 'aria-label': 'Database' },
    h('a', { class: 'here', href: link('db', keyspace) }, titleOf(keyspace)),
    Object.entries(ofDatabase).filter(([, v]) => v.name).map(([id, v]) => item([v.name, link('db', v.collection ? keyspace : databaseOf(keyspace), id), id === below]))))
}

document.getElementById('skip').addEventListener('click', () => main.focus())
addEventListener('hashchange', show)
addEventListener('resize', showPlace)
show()

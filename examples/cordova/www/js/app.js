// The app: who uses it, whether they are signed in, and what follows from that.

import { config } from './config.js'
import { Notes } from './notes.js'
import { Session } from './session.js'
import { onAnswer, SignIn } from './signin.js'
import { openStorage } from './storage.js'
import { Sync } from './sync.js'
import { $, list, problem, show } from './view.js'

const states = {
  syncing: 'Sending and receiving…',
  current: 'Up to date',
  offline: 'Offline. Changes are kept on this device.',
  ended: 'Signed out',
  refused: 'Not in sync',
  failed: 'Not in sync',
}

let signIn, session
let user, notes, sync // of the user whose notes are shown

// The system may have started the app with the provider's answer.
onAnswer((url) => started.then(() => attempt(() => finish(url))))
const started = attempt(start)

async function start() {
  if (window.cordova) await new Promise((ready) => document.addEventListener('deviceready', ready, { once: true }))
  const storage = await openStorage()
  signIn = new SignIn(config, storage)
  session = new Session({ database: config.database, signIn, storage })
  await session.restore()
  const known = localStorage.getItem('user') // a name, no secret
  if (known) open(known)
  show('welcome', !known)
  if (!window.cordova && signIn.isAnswer(location.href)) {
    const answer = location.href
    history.replaceState(null, '', location.pathname) // the code is of no use any more, and stays nowhere
    if (await attempt(() => finish(answer))) return
  }
  if (known) sync.start()
}

// finish is when the user comes back from the browser.
async function finish(answer) {
  if (!signIn.isAnswer(answer)) return
  const tokens = await signIn.finish(answer)
  if (!tokens) return
  const name = await session.open(tokens)
  localStorage.setItem('user', name)
  open(name)
  show('welcome', false)
  show('ended', false)
  sync.start()
}

// open shows a user's notes, which are on this device whether signed in or not.
function open(name) {
  if (name === user) return
  close()
  user = name
  notes = new Notes(name)
  sync = new Sync({ local: notes.db, url: config.database, user: name, session, changed })
  notes.watch(render)
  render()
  show('notes', true)
  show('leave', true)
}

async function close({ destroy = false } = {}) {
  const left = notes
  const stopped = sync?.stop()
  user = notes = sync = undefined
  list([])
  await stopped
  await (destroy ? left?.destroy() : left?.close())
}

// changed is told by the sync.
function changed(state, reason) {
  $('state').textContent = states[state]
  show('ended', state === 'ended')
  if (state === 'refused' || state === 'failed') problem(reason)
  if (state !== 'ended') return
  $('ended-text').textContent = `Your sign-in has ended (${reason}). Your notes stay on this device, and are sent when you have signed in again.`
  sync.stop()
  session.forget()
}

async function leave() {
  const stopped = sync.stop()
  try {
    await session.close()
  } catch {
    sync.start()
    throw new Error('Not signed out: the server has to hear of it, and cannot be reached.')
  }
  localStorage.removeItem('user')
  await stopped
  await close({ destroy: $('clear').checked })
  $('state').textContent = ''
  for (const id of ['notes', 'leave', 'ended']) show(id, false)
  show('welcome', true)
  $('sign-in').focus()
}

async function render() {
  const shown = notes
  try {
    const all = await shown.all()
    if (shown === notes) list(all, act)
  } catch (err) {
    if (shown === notes) problem(err.message) // else it was closed meanwhile
  }
}

const act = {
  edit: (note, text) => attempt(() => notes.edit(note, text)),
  remove: (note) => attempt(() => notes.remove(note)),
  keep: (note, version) => attempt(() => notes.keep(note, version)),
}

// attempt does work and tells the user if it fails. It returns whether it did not.
async function attempt(work) {
  problem()
  try {
    await work()
    return true
  } catch (err) {
    problem(err instanceof TypeError ? 'The server cannot be reached.' : err.message)
    return false
  }
}

for (const id of ['sign-in', 'sign-in-again']) {
  $(id).addEventListener('click', () => attempt(() => signIn.begin()))
}
$('leave').addEventListener('click', () => {
  $('clear').checked = false
  $('leaving').returnValue = ''
  $('leaving').showModal()
})
$('leaving').addEventListener('close', () => $('leaving').returnValue === 'leave' && attempt(leave))
$('composer').addEventListener('submit', (event) => {
  event.preventDefault()
  const text = $('text').value.trim()
  if (text) attempt(() => notes.add(text)).then((added) => added && ($('text').value = ''))
})
document.addEventListener('keydown', ({ key, ctrlKey, metaKey, target }) => {
  if (key === 'Enter' && (ctrlKey || metaKey)) target.form?.requestSubmit()
})
addEventListener('online', () => sync?.retry())
addEventListener('offline', () => sync?.lost())
document.addEventListener('resume', () => sync?.retry()) // Cordova: the app is in front again

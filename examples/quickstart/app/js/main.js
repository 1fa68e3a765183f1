// The app: who uses it, what they see, and what follows from what they do.

import { Lists } from './lists.js'
import { shrink } from './photo.js'
import { Session } from './session.js'
import { begin, finish } from './signin.js'
import { Sync } from './sync.js'
import { lead, News } from './tabs.js'
import * as view from './view.js'
import { $ } from './view.js'

/* global PouchDB */
const database = `${location.origin}/lists`
const provider = { issuer: `${location.origin}/idp`, clientID: 'notes' }
const session = new Session(database)

let user, lists, sync, news, giveUp // of the user whose lists are shown
let leading // whether this tab syncs
let state // of the sync, of whichever tab
let all = [] // what is shown

async function start() {
  navigator.serviceWorker?.register('/sw.js').catch(() => {}) // without it the app needs a network to open
  let name = localStorage.getItem('user') // a name, no secret
  let signedIn = false
  await attempt(async () => {
    const token = await finish(provider)
    name = token ? await session.open(token) : await session.who().catch(() => name) ?? name
    signedIn = Boolean(token)
  })
  if (name) open(name, signedIn)
  else view.show('welcome')
}

// open shows a user's lists, which are on this device whether signed in or not.
function open(name, signedIn) {
  user = name
  localStorage.setItem('user', name)
  lists = new Lists({
    user,
    open: (name) => new PouchDB(name, { auto_compaction: true }),
    numbers: localStorage,
    changed: render,
  })
  sync = new Sync({ lists, url: database, PouchDB, changed: (...what) => (hear(...what), news.tell(...what)) })
  news = new News(user, (...what) => {
    if (what[0] === 'signed-in') return leading && sync.start()
    if (what[0] === 'state?') return leading && state && news.tell(state.name, state.detail)
    hear(...what)
    lists.reopen()
  })
  giveUp = lead(user, () => {
    leading = true
    sync.start()
  })
  news.tell(signedIn ? 'signed-in' : 'state?')
  view.who(user)
  render()
}

// hear is told by the sync, of this tab or of another.
function hear(name, detail) {
  if (name === 'refused') return view.notice(`The server did not take a change: ${detail}`)
  if (name === 'lost') return view.notice(`${detail.map(({ name }) => `“${name}”`).join(', ')}: no longer shared with you.`)
  state = { name, detail }
  view.state(name, detail)
  if (name === 'ended') sync.stop()
}

// render draws what is on this device now. Changes that come while it reads are drawn after.
let drawing, again
async function render() {
  if (drawing) return (again = true)
  drawing = true
  do {
    again = false
    const { db } = lists
    try {
      all = await lists.all()
      draw()
    } catch (err) {
      if (db === lists?.db) view.notice(err.message) // else it was closed meanwhile
    }
  } while (again && lists)
  drawing = false
}

// draw shows the list that the address names, or all where it names none that is here.
function draw() {
  const id = decodeURIComponent(location.hash.slice(1))
  const list = all.find(({ _id }) => _id === id)
  view.draw({ user, lists: all, list, act })
}

// current is a list or an item as it is now.
const current = ({ _id }) => all.flatMap((list) => [list, ...list.items]).find((doc) => doc._id === _id)

const act = {
  photo: (item) => lists.photo(item),
  tick: (item, done) => attempt(() => lists.tick(item, done)),
  keep: (doc, version) => attempt(() => lists.keep(doc, version)),
  edit: (item, { text, file, noPhoto }) => attempt(async () => lists.edit(item, { text, photo: file ? await shrink(file) : noPhoto ? null : undefined })),
  remove: (item) => attempt(() => lists.remove(current(item) ?? item)),
  share: (list, name) => attempt(() => lists.share(current(list), name)),
  unshare: (list, name) => attempt(() => lists.unshare(current(list), name)),
  rename: (list, name) => attempt(() => lists.rename(list, name)),
  removeList: (list) => attempt(() => lists.removeList(current(list))),
  makeList: (name) => attempt(async () => (location.hash = (await lists.makeList(name)).id)),
  add: (list, text) => attempt(() => lists.add(list, text)),
  sessions: () => session.all(),
  end: (handle) => attempt(() => session.end(handle)),
  leave: ({ everywhere, clear }) => attempt(() => leave(everywhere, clear)),
  signIn: () => attempt(() => begin(provider, location.hash)),
}

// leave signs out. The lists stay on this device, unless they are to be cleared.
async function leave(everywhere, clear) {
  try {
    await session.close({ everywhere })
  } catch (err) {
    if (err.status !== 401) throw err // else it was over already
  }
  giveUp()
  news.tell('ended', 'signed out')
  news.close()
  await sync.stop()
  const left = lists
  localStorage.removeItem('user')
  lists = undefined
  await (clear ? left.destroy() : left.close())
  location.replace(location.pathname) // a fresh page has nothing of theirs in memory
}

// attempt does work and tells the user if it fails. It returns whether it did not.
async function attempt(work) {
  try {
    await work()
    return true
  } catch (err) {
    view.notice(err.message)
    return false
  }
}

view.listen(act)
addEventListener('hashchange', () => lists && draw())
addEventListener('online', () => sync?.retry())
addEventListener('offline', () => sync?.unplugged())
start()

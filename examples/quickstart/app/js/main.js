// The app: who uses it, what they see, and what follows from what they do.

import { Lists } from './lists.js'
import { shrink } from './photo.js'
import { Session } from './session.js'
import { begin, finish } from './signin.js'
import { Sync } from './sync.js'
import { lead, News } from './tabs.js'
import * as view from './view.js'

/* global PouchDB */
const database = `${location.origin}/lists`
const provider = { issuer: `${location.origin}/idp`, clientID: 'notes' }
const session = new Session(database)
const news = new News(hearOthers)

let user, lists, sync, giveUp // of the user whose lists are shown
let leading // whether this tab syncs
let state // of the sync, of whichever tab
let all = [] // what is shown

async function start() {
  navigator.serviceWorker?.register('/sw.js').catch(() => {}) // without it the app needs a network to open
  const known = localStorage.getItem('user') // a name, no secret
  let name = known
  await attempt(async () => {
    const token = await finish(provider)
    if (!token) {
      name = (await session.who().catch(() => null)) ?? known
      return
    }
    news.tell(known, 'signing-in')
    try {
      name = await session.open(token)
    } finally {
      news.tell(known, name === known ? 'signed-in' : 'left')
    }
  })
  if (name) open(name)
  else view.show('welcome')
}

// open shows a user's lists, which are on this device whether signed in or not.
function open(name) {
  user = name
  localStorage.setItem('user', name)
  lists = new Lists({
    user,
    open: (name) => new PouchDB(name, { auto_compaction: true }),
    numbers: localStorage,
    changed: render,
  })
  sync = new Sync({ lists, url: database, PouchDB, changed: (...what) => (hear(...what), news.tell(user, ...what)) })
  giveUp = lead(user, () => {
    leading = true
    sync.start()
  })
  news.tell(user, 'state?')
  view.who(user)
  render()
}

// hearOthers is told by the other tabs. All have one cookie, so that when somebody signs in
// in one, no other may go on for somebody else.
function hearOthers(of, what, detail) {
  if (of !== user || !lists) return
  if (what === 'left') location.replace(location.pathname)
  else if (what === 'signing-in') sync.stop()
  else if (what === 'signed-in') leading && sync.start()
  else if (what === 'state?') leading && state && news.tell(user, state.name, state.detail)
  else {
    hear(what, detail)
    lists.reopen()
  }
}

// refusals are what the functions that ../../lists.sync.js asks say, in words for the user.
const refusals = {
  'sg missing channel access': 'you may not change this list.',
  'sg wrong user': 'only its owner may change a list.',
  'sg admin required': 'this is not there to be changed.',
}

// hear is told by the sync, of this tab or of another.
function hear(name, detail) {
  if (name === 'refused') return view.notice(`The server refused a change: ${refusals[detail] ?? detail}`)
  if (name === 'lost') return view.notice(`${detail.map(({ name }) => `“${name}”`).join(', ')} ${detail.length > 1 ? 'are' : 'is'} no longer shared with you.`)
  state = { name, detail }
  view.state(name)
  if (name === 'failed') console.error('The sync has stopped:', detail)
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
      if (db === lists?.db) tell(err) // else it was closed meanwhile
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
  keepAll: (item) => attempt(() => lists.keepAll(item)),
  shrink,
  edit: (item, change) => attempt(() => lists.edit(item, change).catch((err) => (err.gone ? deletedMeanwhile(item, change) : Promise.reject(err)))),
  remove: (item) => attempt(() => lists.remove(item)),
  share: (list, name) => attempt(() => lists.share(list, name)),
  unshare: (list, name) => attempt(() => lists.unshare(list, name)),
  rename: (list, name) => attempt(() => lists.rename(list, name)),
  removeList: (list) => attempt(() => removeList(current(list) ?? list)),
  makeList: (name) => attempt(async () => (location.hash = (await lists.makeList(name)).id)),
  add: (list, text) => attempt(() => lists.add(list, text)),
  sessions: () => session.all(),
  end: (handle) => attempt(() => session.end(handle)),
  leave: ({ everywhere, clear }) => attempt(() => leave(everywhere, clear)),
  signIn: () => attempt(() => begin(provider, location.hash)),
}

// deletedMeanwhile has an item's new text, and nobody has the item any more.
async function deletedMeanwhile(item, change) {
  if (!current({ _id: item.list })) throw new Error(`Somebody deleted the list meanwhile. You wrote “${change.text}”.`)
  const back = await view.ask({ title: 'Somebody deleted this item meanwhile. Put it back?', text: `“${change.text}”`, yes: 'Put it back', no: 'Leave it deleted' })
  if (back) await lists.putBack(item, change)
}

async function removeList(list) {
  const { name, items, members } = list
  const all = items.length ? `“${name}” and its ${items.length === 1 ? 'item' : `${items.length} items`}` : `“${name}”`
  const whose = members.length ? ` for ${listed([list.owner, ...members])}` : ''
  if (!(await view.ask({ title: `Delete ${all}${whose}?`, text: 'It does not come back.', yes: 'Delete', no: 'Cancel', danger: true }))) return
  await lists.removeList(list)
  history.replaceState(null, '', location.pathname)
  view.notice(`“${name}” is deleted.`, { passing: true })
}

const listed = (names) => new Intl.ListFormat('en').format(names)

// leave signs out. The lists stay on this device, unless they are to be cleared.
async function leave(everywhere, clear) {
  try {
    await session.close({ everywhere })
  } catch (err) {
    if (err.status !== 401) throw err // else it was over already
  }
  localStorage.removeItem('user')
  giveUp()
  await sync.stop()
  news.tell(user, 'left')
  const left = lists
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
    tell(err)
    return false
  }
}

// tell has words for the user. What the app itself says is an Error; what else fails has words
// for developers.
function tell(err) {
  if (err.name === 'Error') return view.notice(err.message)
  console.error(err)
  view.notice(/quota/i.test(`${err.name} ${err.message} ${err.reason}`) ? 'There is no space left on this device.' : 'That did not work. Load the page again, and try once more.')
}

view.listen(act)
addEventListener('hashchange', () => {
  view.notice('') // it was about what was shown
  if (lists) draw()
})
addEventListener('online', () => sync?.retry())
addEventListener('offline', () => sync?.unplugged())
start()

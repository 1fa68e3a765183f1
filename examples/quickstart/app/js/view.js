// What the user sees. Nothing that somebody wrote is ever taken for HTML.

export const $ = (id) => document.getElementById(id)

const states = {
  syncing: 'Syncing…',
  current: 'Up to date',
  offline: 'Offline',
  ended: 'Signed out',
  failed: 'Not in sync',
}

let shown = {} // what draw was given
let act

// show chooses what the page shows: welcome, overview or list.
export function show(name) {
  document.body.dataset.view = name
}

export function who(user) {
  $('account').textContent = user.slice(0, 1).toUpperCase()
  $('account').setAttribute('aria-label', `Account: ${user}`)
  $('account').hidden = false
  for (const name of document.querySelectorAll('.me')) name.textContent = user
}

// state is how the sync goes.
export function state(name) {
  $('state').dataset.state = name
  $('state-text').textContent = states[name]
  // A live region: a screen reader tells of it, and not of every change that is sent.
  $('offline').textContent = name === 'offline' ? 'Offline: what you change is kept on this device, and sent when the server can be reached.' : ''
  const ended = name === 'ended' || name === 'failed'
  if (ended && $('ended').hidden) {
    const why = name === 'ended' ? 'You have been signed out' : 'The sync has stopped'
    $('ended-text').textContent = `${why}. Your lists stay on this device; what you write is sent when you have signed in again.`
  }
  $('ended').hidden = !ended
}

// notice tells of something once. It stays until the user closes it or goes elsewhere; what
// is passing, such as that all went well, goes by itself.
let passed
export function notice(text, { passing = false } = {}) {
  clearTimeout(passed)
  $('notice-text').textContent = text
  if (passing) passed = setTimeout(notice, 6000, '')
}

// ask resolves to whether the user says yes.
export function ask({ title, text, yes, no, danger = false }) {
  const dialog = $('ask-dialog')
  $('ask-title').textContent = title
  $('ask-text').textContent = text
  $('ask-no').textContent = no
  $('ask-yes').textContent = yes
  $('ask-yes').className = danger ? 'danger' : 'primary'
  openDialog(dialog)
  return new Promise((settled) => (dialog.onclose = () => settled(dialog.returnValue === 'yes')))
}

// draw shows the lists, and list in particular if one is chosen.
export function draw({ user, lists, list }) {
  const moved = shown.list?._id !== list?._id
  shown = { user, lists, list }
  show(list ? 'list' : 'overview')
  document.title = list ? `${list.name} – Shared lists` : 'Shared lists'
  keyed($('lists'), lists, 'card', fillCard)
  $('no-lists').hidden = lists.length > 0
  if (list) drawList(list)
  if (moved && list) $('list').focus({ preventScroll: true })
  if ($('share-dialog').open) list ? drawMembers() : $('share-dialog').close()
}

function fillCard(node, list) {
  const open = list.items.filter(({ done }) => !done).length
  const link = node.querySelector('a')
  link.href = `#${encodeURIComponent(list._id)}`
  link.toggleAttribute('aria-current', list._id === shown.list?._id)
  node.querySelector('.name').textContent = list.name
  node.querySelector('.count').hidden = !open
  node.querySelector('.count').title = open === 1 ? '1 open item' : `${open} open items`
  node.querySelector('.number').textContent = open
  node.querySelector('.people').textContent = people(list)
}

const people = ({ owner, members }) =>
  owner === shown.user ? (members.length ? `Shared with ${members.join(', ')}` : 'Only you') : `${owner}’s list`

function drawList(list) {
  $('list-name').textContent = list.name
  $('list-people').textContent = people(list)
  $('edit-list').hidden = list.owner !== shown.user
  $('no-items').hidden = list.items.length > 0
  drawConflict($('list-conflict'), list)
  keyed($('items'), list.items, 'item', fillItem, (node) => {
    node.querySelector('input').addEventListener('change', ({ target }) => act.tick(node.doc, target.checked))
    node.querySelector('.change').addEventListener('click', () => editItem(node.doc))
    node.querySelector('.thumb').addEventListener('click', () => {
      $('photo').src = node.querySelector('.thumb img').src
      $('photo').alt = node.doc.text
      $('photo-dialog').showModal()
    })
  })
}

function fillItem(node, item) {
  const part = (selector) => node.querySelector(selector)
  const text = item.text ?? ''
  node.doc = item
  part('input').checked = Boolean(item.done)
  part('.text').textContent = text
  part('.by').textContent = written(item)
  part('.change').setAttribute('aria-label', `Edit ${text}`)
  part('.thumb').setAttribute('aria-label', `Photo of ${text}`)
  drawPhoto(part('.thumb img'), item, part('.thumb'))
  drawConflict(part('.conflict'), item)
}

const written = ({ by, at }) => (by ? `${by}, ${when(at)}` : '')

// when is a time of today, or a day and a time.
function when(at) {
  const today = new Date(at).toDateString() === new Date().toDateString()
  return new Date(at).toLocaleString([], { dateStyle: today ? undefined : 'medium', timeStyle: 'short' })
}

// drawConflict shows the versions of what was changed on two devices at once, side by side.
function drawConflict(place, doc) {
  const versions = doc.others.length ? [doc, ...doc.others] : []
  const key = versions.map(({ _rev }) => _rev).join()
  if (place.dataset.key === key) return // as shown: the focus stays
  place.dataset.key = key
  place.hidden = !key
  if (!key) return place.replaceChildren()
  const title = document.createElement('p')
  title.textContent = 'Changed on two devices at once. Which one is right?'
  const list = document.createElement('ul')
  const photosDiffer = new Set(versions.map(({ _attachments }) => _attachments?.photo?.digest)).size > 1
  const mine = ({ by }) => Number(by === shown.user)
  for (const version of versions.toSorted((a, b) => mine(b) - mine(a))) list.append(drawVersion(doc, version, photosDiffer))
  const all = document.createElement('button')
  all.type = 'button'
  all.hidden = doc.type !== 'item'
  all.textContent = versions.length > 2 ? 'Keep all, as items' : 'Keep both, as two items'
  all.addEventListener('click', () => act.keepAll(doc))
  place.replaceChildren(title, list, all)
}

// drawVersion shows the photo only where it makes a difference.
function drawVersion(doc, version, photo) {
  const node = clone('version')
  const mine = version.by === shown.user
  const says = version.type === 'list' ? `${version.name}, with ${[version.owner, ...version.members].join(', ')}` : `${version.text}${version.done ? ' ✓' : ''}`
  node.querySelector('.who').textContent = mine ? 'Your version' : `${version.by ?? 'Another'}’s version`
  node.querySelector('.says').textContent = says
  node.querySelector('.when').textContent = version.at ? when(version.at) : ''
  if (photo) drawPhoto(node.querySelector('img'), version)
  const button = node.querySelector('button')
  button.textContent = mine ? 'Keep mine' : 'Keep this one'
  button.setAttribute('aria-label', `${button.textContent}: ${says}`)
  button.addEventListener('click', () => act.keep(doc, version))
  return node
}

// Photos by their digests, as Blobs and as URLs: the browser keeps them for as long as the page is there.
const photos = new Map()

function photoOf(doc) {
  const digest = doc._attachments?.photo?.digest
  if (!digest) return undefined
  if (!photos.has(digest)) {
    photos.set(digest, act.photo(doc).then((blob) => ({ blob, url: URL.createObjectURL(blob) })).catch(() => photos.delete(digest) && undefined))
  }
  return photos.get(digest)
}

async function drawPhoto(img, doc, around = img) {
  const digest = doc._attachments?.photo?.digest
  around.hidden = !digest
  if (img.dataset.digest === digest) return
  if (!digest) {
    delete img.dataset.digest
    return img.removeAttribute('src')
  }
  img.dataset.digest = digest
  img.alt = around === img ? `Photo of ${doc.text}` : ''
  const photo = await photoOf(doc)
  if (photo && img.dataset.digest === digest) img.src = photo.url
}

// editItem opens the dialog of an item. What is saved goes on from the item as it was then.
let editing
function editItem(item) {
  const [dialog, img, wrong] = [$('item-dialog'), $('item-photo'), $('item-photo-wrong')]
  const turn = (editing = {}) // it tells whether a photo that is ready now is still waited for
  const was = photoOf(item)
  let photo // a new one, or null for none
  const showPhoto = () => {
    img.hidden = $('item-no-photo').hidden = !(photo ?? (photo !== null && was))
    delete img.dataset.digest
    if (photo) img.src = URL.createObjectURL(photo)
    else if (photo !== null) drawPhoto(img, item)
  }
  $('item-text').value = item.text ?? ''
  wrong.textContent = ''
  $('item-save').disabled = false
  $('item-file').onchange = async () => {
    const [file] = $('item-file').files
    if (!file) return
    $('item-file').value = ''
    wrong.textContent = ''
    $('item-save').disabled = true
    const [made, why] = await act.shrink(file).then((made) => [made], (err) => [undefined, err.message])
    if (editing !== turn) return
    $('item-save').disabled = false
    wrong.textContent = why ?? ''
    photo = made ?? photo
    showPhoto()
  }
  $('item-no-photo').onclick = () => {
    photo = null
    showPhoto()
    $('item-file').focus()
  }
  $('item-delete').onclick = () => (dialog.close('cancel'), act.remove(item))
  dialog.onclose = async () => {
    editing = undefined
    const text = $('item-text').value.trim() || item.text
    if (dialog.returnValue === 'save') act.edit(item, { text, photo, was: (await was)?.blob })
  }
  showPhoto()
  openDialog(dialog)
}

function drawMembers() {
  const { list, user } = shown
  const mine = list.owner === user
  keyed($('members'), [list.owner, ...list.members].map((name) => ({ _id: name })), 'chip', (node, { _id: name }) => {
    node.name = name
    node.querySelector('.name').textContent = name
    node.querySelector('.faint').textContent = name === list.owner ? 'owner' : ''
    node.querySelector('button').hidden = !mine || name === list.owner
    node.querySelector('button').setAttribute('aria-label', `Remove ${name}`)
  }, (node) => node.querySelector('button').addEventListener('click', () => act.unshare(shown.list, node.name)))
  $('share-more').hidden = !mine
  $('share-not').textContent = mine ? '' : `Only ${list.owner} can share this list further.`
}

async function drawSessions() {
  $('no-sessions').hidden = true
  $('sessions').replaceChildren()
  const sessions = (await act.sessions().catch(() => [])).toSorted((a, b) => Boolean(b.current) - Boolean(a.current))
  $('no-sessions').textContent = 'This is shown when you are online and signed in.'
  $('no-sessions').hidden = sessions.length > 0
  keyed($('sessions'), sessions.map((s) => ({ ...s, _id: s.handle })), 'row', (node, s) => {
    node.querySelector('.name').textContent = browser(s.user_agent)
    node.querySelector('.name').textContent += s.current ? ' (this browser)' : ''
    node.querySelector('.faint').textContent = `signed in ${when(s.created)}, last used ${when(s.last_used)}`
    const button = node.querySelector('button')
    button.hidden = Boolean(s.current)
    button.textContent = 'End'
    button.setAttribute('aria-label', `End the session of ${browser(s.user_agent)}, signed in ${when(s.created)}`)
    button.onclick = async () => (await act.end(s.handle)) && drawSessions()
  })
}

// browser is a short name of what says who it is at length.
function browser(agent = '') {
  const name = ['Firefox', 'Edg', 'OPR', 'Chrome', 'Safari', 'curl'].find((name) => agent.includes(name)) ?? 'Another program'
  const system = ['Android', 'iPhone', 'iPad', 'Windows', 'Mac OS', 'Linux'].find((name) => agent.includes(name))
  return ({ Edg: 'Edge', OPR: 'Opera' }[name] ?? name) + (system ? ` on ${system}` : '')
}

// listen connects what the user does in the page with what the app does.
export function listen(actions) {
  act = actions
  for (const button of document.querySelectorAll('.sign-in')) button.addEventListener('click', act.signIn)
  for (const button of document.querySelectorAll('dialog .close')) button.addEventListener('click', () => button.closest('dialog').close())
  $('notice-close').addEventListener('click', () => notice(''))
  submit('new-list', 'new-list-name', (name) => act.makeList(name))
  submit('new-item', 'new-item-text', (text) => act.add(shown.list, text))
  submit('share-form', 'share-name', (name) => name === shown.user || act.share(shown.list, name))
  $('share').addEventListener('click', () => (drawMembers(), openDialog($('share-dialog'))))
  $('edit-list').addEventListener('click', () => {
    const { list } = shown
    $('list-new-name').value = list.name
    $('list-delete').onclick = () => ($('list-dialog').close('cancel'), act.removeList(list))
    $('list-dialog').onclose = ({ target: { returnValue } }) => {
      const name = $('list-new-name').value.trim()
      if (returnValue === 'save' && name && name !== list.name) act.rename(list, name)
    }
    openDialog($('list-dialog'))
  })
  $('account').addEventListener('click', () => {
    $('clear').checked = false
    drawSessions()
    openDialog($('account-dialog'))
  })
  for (const id of ['leave', 'leave-everywhere']) {
    $(id).addEventListener('click', () => {
      $('account-dialog').close()
      act.leave({ everywhere: id === 'leave-everywhere', clear: $('clear').checked })
    })
  }
}

// submit empties the field and gives what was written to work. What fails is written there again.
function submit(form, field, work) {
  $(form).addEventListener('submit', async (event) => {
    event.preventDefault()
    const text = $(field).value.trim()
    $(field).value = ''
    if (text && !(await work(text))) $(field).value ||= text
  })
  // The second click of a double click asks for nothing.
  $(form).addEventListener('click', (event) => event.detail > 1 && event.target.closest('button') && event.preventDefault())
}

function openDialog(dialog) {
  dialog.returnValue = ''
  dialog.showModal()
}

// keyed makes a parent's children those of a template, one for each thing, and keeps those
// that are there already: an open keyboard and the focus stay.
function keyed(parent, things, template, fill, made = () => {}) {
  const nodes = new Map([...parent.children].map((node) => [node.dataset.key, node]))
  let before = null
  for (const thing of things) {
    let node = nodes.get(thing._id)
    nodes.delete(thing._id)
    if (!node) {
      node = clone(template)
      node.dataset.key = thing._id
      made(node)
    }
    fill(node, thing)
    const next = before ? before.nextElementSibling : parent.firstElementChild
    if (next !== node) parent.insertBefore(node, next)
    before = node
  }
  for (const node of nodes.values()) {
    // Who works by the keyboard goes on beside what is gone.
    if (node.contains(document.activeElement)) {
      const beside = node.nextElementSibling ?? node.previousElementSibling
      const next = beside?.querySelector('a, input, button:not([hidden])') ?? parent.closest('section, form').querySelector('input')
      next.focus()
    }
    node.remove()
  }
}

const clone = (template) => $(template).content.cloneNode(true).firstElementChild

// What the user sees. Nothing of a note is ever taken for HTML.

export const $ = (id) => document.getElementById(id)

export function show(id, visible) {
  $(id).hidden = !visible
}

// problem tells of something that went wrong, until the next call.
export function problem(text) {
  $('problem').textContent = text ?? ''
  show('problem', Boolean(text))
}

const items = new Map() // a note's ID → its <li>, so that an open editor and the focus stay

// list shows notes in their order. act has edit(note, text), remove(note) and
// keep(note, version).
export function list(notes, act) {
  const gone = new Set(items.keys())
  let before = null
  for (const note of notes) {
    gone.delete(note._id)
    if (!items.has(note._id)) items.set(note._id, make(act))
    const item = items.get(note._id)
    fill(item, note, act)
    const next = before ? before.nextElementSibling : $('list').firstElementChild
    if (next !== item) $('list').insertBefore(item, next)
    before = item
  }
  for (const id of gone) drop(id)
  show('empty', notes.length === 0)
}

function make(act) {
  const item = $('note').content.cloneNode(true).firstElementChild
  const part = (selector) => item.querySelector(selector)
  const editor = part('.editor')
  const edit = (open) => {
    editor.hidden = !open
    part('.text').hidden = part('.foot').hidden = open
    if (!open) return part('.edit').focus()
    item.editing = item.note // the revision that the user sees
    editor.elements[0].value = item.note.text
    editor.elements[0].focus()
  }
  part('.edit').addEventListener('click', () => edit(true))
  part('.cancel').addEventListener('click', () => edit(false))
  part('.remove').addEventListener('click', () => act.remove(item.note))
  editor.addEventListener('submit', (event) => {
    event.preventDefault()
    act.edit(item.editing, editor.elements[0].value)
    edit(false)
  })
  return item
}

function fill(item, note, act) {
  item.note = note
  const part = (selector) => item.querySelector(selector)
  part('.text').textContent = note.text
  part('.by').textContent = `${note.by}, ${new Date(note.changed).toLocaleString()}`
  const label = note.text.slice(0, 40)
  part('.edit').setAttribute('aria-label', `Edit: ${label}`)
  part('.remove').setAttribute('aria-label', `Delete: ${label}`)
  part('.conflict').hidden = note.others.length === 0
  part('.conflict ul').replaceChildren(
    ...(note.others.length ? [note, ...note.others] : []).map((version) => {
      const choice = document.createElement('li')
      const button = choice.appendChild(document.createElement('button'))
      button.type = 'button'
      button.textContent = `${version.text} (${version.by})`
      button.addEventListener('click', () => act.keep(note, version))
      return choice
    }),
  )
}

function drop(id) {
  const item = items.get(id)
  // Who deleted a note by the keyboard goes on at the next one.
  const next = item.contains(document.activeElement) ? (item.nextElementSibling ?? item.previousElementSibling) : null
  item.remove()
  items.delete(id)
  next?.querySelector('.remove').focus()
}

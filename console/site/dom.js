// Nodes made of data. Text becomes text nodes, so that nothing in a document is ever markup.

const namespace = 'http://www.w3.org/2000/svg'

// h makes an element. Members of props that begin with "on" are listeners, true and false set
// and leave out an attribute; children are nodes, texts, lists of them, and what is null, false
// or undefined is left out.
export function h(tag, props, ...children) {
  return fill(document.createElement(tag), props, children)
}

// s is h for SVG.
export function s(tag, props, ...children) {
  return fill(document.createElementNS(namespace, tag), props, children)
}

function fill(element, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value)
    else if (name === 'value') element.value = value
    else element.setAttribute(name, value === true ? '' : value)
  }
  element.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== ''))
  return element
}

// put replaces what is in an element.
export function put(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false))
  return element
}

// redraw is put for what is drawn again and again: the control that has the focus keeps it.
export function redraw(element, ...children) {
  const held = element.contains(document.activeElement) ? nameOf(document.activeElement) : undefined
  put(element, ...children)
  if (held) [...element.querySelectorAll('a, button')].find((control) => nameOf(control) === held)?.focus({ preventScroll: true })
  return element
}

const nameOf = (control) => control.getAttribute('aria-label') ?? control.getAttribute('href') ?? control.textContent

// say tells users of screen readers what has happened.
export function say(text) {
  document.getElementById('says').textContent = text
}

// table is one with a caption, which is for screen readers. Columns are {name, wide, number}; wide ones
// are left out on a phone. Rows are lists of cells. If stacked is true, the cells of a row stand below one another where
// the card is narrow.
export function table(caption, columns, rows, empty = 'Nothing is here.', stacked = false) {
  if (!rows.length) return h('p', { class: 'empty' }, empty)
  const style = (c) => [c.wide && 'wide', c.number && 'number', c.act && 'act'].filter(Boolean).join(' ') || null
  const role = (name) => (stacked ? { role: name } : {}) // which the display as blocks would take away
  return h(
    'table',
    { class: stacked ? 'stacked' : null, ...role('table') },
    h('caption', { class: 'quiet' }, caption),
    h('thead', role('rowgroup'), h('tr', role('row'), columns.map((c) => h('th', { scope: 'col', class: style(c), ...role('columnheader') }, c.act ? h('span', { class: 'quiet' }, c.name) : c.name)))),
    h('tbody', role('rowgroup'), rows.map((cells) => h('tr', role('row'), cells.map((cell, i) => h('td', { class: style(columns[i]), 'data-name': stacked ? columns[i].name : null, ...role('cell') }, cell))))),
  )
}

// section is a part of a page with a heading.
export function section(title, ...children) {
  return h('section', { class: 'card' }, h('h2', null, title), ...children)
}

// field is a control with its label, and a hint if there is one.
let fields = 0
export function field(label, control, hint) {
  control.id ||= `field-${++fields}`
  if (hint) control.setAttribute('aria-describedby', `${control.id}-hint`)
  return h('p', { class: 'field' }, h('label', { for: control.id }, label), control, hint && h('small', { id: `${control.id}-hint` }, hint))
}

// button is one that does something; while it does, it cannot be pressed again. What fails is told by failed.
export function button(label, act, props) {
  const made = h('button', { type: 'button', ...props, onclick: () => busy(made, act) }, label)
  return made
}

export async function busy(control, act) {
  control.disabled = true
  forgetFailures()
  try {
    await act()
  } catch (err) {
    if (err.name !== 'AbortError') control.after(failure(err))
  } finally {
    control.disabled = false
  }
}

const forgetFailures = () => document.querySelectorAll('.failure.last').forEach((old) => old.remove())

// failure shows an error in the server's words, until it is shown anew.
export function failure(err) {
  forgetFailures()
  return h('p', { class: 'failure last', role: 'alert' }, err.status ? `${err.reason} (${err.status} ${err.error})` : err.message)
}

// ask has somebody confirm what cannot be undone. It resolves to whether they did.
export function confirmed(title, text, act) {
  return new Promise((settled) => {
    const dialog = h(
      'dialog',
      { 'aria-labelledby': 'asked', onclose: () => { dialog.remove(); settled(dialog.returnValue === 'yes') } },
      h('h2', { id: 'asked' }, title),
      h('p', null, text),
      h('p', { class: 'buttons' },
        h('button', { type: 'button', onclick: () => dialog.close('no') }, 'Cancel'),
        h('button', { type: 'button', class: 'danger', onclick: () => dialog.close('yes') }, act)),
    )
    document.body.append(dialog)
    dialog.showModal()
  })
}

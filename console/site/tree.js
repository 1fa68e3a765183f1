// The tree of a document's revisions as a drawing: a column for each leaf, the winner's first and on
// top, time going up. Long stretches without content or branch are one box.
import { s } from './dom.js'
import { short } from './documents.js'

const width = 150
const height = 28
const gap = { x: 18, y: 22 }
const most = 400 // boxes

// drawTree draws the history of a document's metadata; pick is called with a revision that is pressed.
export function drawTree({ history, leaves, rev }, pick) {
  const nodes = nodesOf(history, leaves)
  place(nodes, leaves)
  const columns = Math.max(...nodes.map((n) => n.column)) + 1
  const rows = Math.max(...nodes.map((n) => n.row)) + 1
  for (const n of nodes) n.line = rows - 1 - n.row
  const size = [columns * (width + gap.x) + gap.x, rows * (height + gap.y) + gap.y]
  return s('svg', { class: 'tree', width: size[0], height: size[1], viewBox: `0 0 ${size.join(' ')}` },
    nodes.filter((n) => n.parent).map(edge), nodes.map((n) => box(n, n.rev === rev, pick)))
}

// nodesOf are the revisions that are drawn. skipped is how many stand above one and are not.
function nodesOf({ revs, parents, deleted, bodies }, leaves) {
  const children = revs.map(() => 0)
  for (const p of parents) if (p >= 0) children[p]++
  const gone = new Set(deleted)
  const has = new Set(bodies)
  const isLeaf = new Set(leaves.map((l) => l.rev))
  const made = []
  const nodes = revs.map((rev, i) => {
    const drawn = isLeaf.has(rev) || children[i] !== 1 || parents[i] < 0 || (has.has(i) && made.length < most)
    const node = { rev, drawn, above: parents[i] < 0 ? undefined : parents[i], deleted: gone.has(i), body: has.has(i), skipped: 0 }
    if (drawn) made.push(node)
    return node
  })
  for (const node of made) {
    let up = node.above
    while (up !== undefined && !nodes[up].drawn) {
      node.skipped++
      up = nodes[up].above
    }
    node.parent = up === undefined ? undefined : nodes[up]
  }
  return made
}

// place gives each its column and row: a branch stands in its leaf's column.
function place(nodes, leaves) {
  const byRev = new Map(nodes.map((n) => [n.rev, n]))
  leaves.forEach((leaf, column) => {
    for (let n = byRev.get(leaf.rev); n && n.column === undefined; n = n.parent) n.column = column
  })
  for (const n of nodes) {
    n.column ??= 0
    n.row = depth(n)
  }
}

const depth = (n) => (n.row ??= n.parent ? depth(n.parent) + 1 : 0)

const left = (n) => gap.x + n.column * (width + gap.x)
const top = (n) => gap.y + n.line * (height + gap.y)

function edge(n) {
  const [x, y] = [left(n) + width / 2, top(n) + height]
  const [px, py] = [left(n.parent) + width / 2, top(n.parent)]
  return [
    s('path', { d: `M${px} ${py}C${px} ${py - gap.y / 2} ${x} ${y + gap.y / 2} ${x} ${y}`, class: n.skipped ? 'edge skipped' : 'edge' }),
    n.skipped > 0 && s('text', { x: x + 8, y: y + 14, class: 'note' }, `${n.skipped} more`),
  ]
}

function box(n, winner, pick) {
  const words = [short(n.rev), winner && 'the winner', n.deleted && 'deleted', !n.body && 'without content'].filter(Boolean).join(', ')
  const press = (e) => {
    e.currentTarget.ownerSVGElement.querySelectorAll('.picked').forEach((old) => old.classList.remove('picked'))
    e.currentTarget.classList.add('picked')
    pick(n.rev)
  }
  const props = n.body
    ? { role: 'button', tabindex: 0, 'aria-label': words, onclick: press, onkeydown: (e) => (e.key === 'Enter' || e.key === ' ') && (e.preventDefault(), press(e)) }
    : { role: 'img', 'aria-label': words }
  const look = ['box', winner && 'winner picked', n.deleted && 'deleted', !n.body && 'bare'].filter(Boolean).join(' ')
  return s('g', { ...props, class: look },
    s('title', null, n.rev),
    s('rect', { x: left(n), y: top(n), width, height, rx: 6 }),
    s('text', { x: left(n) + width / 2, y: top(n) + height / 2 + 4, 'text-anchor': 'middle' }, short(n.rev)))
}

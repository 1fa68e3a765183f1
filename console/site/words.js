// Numbers, times and lists as people read and write them.

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 })
const some = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 3 })

export const number = (n) => (Number.isInteger(n) ? whole : some).format(n)

export function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let unit = 0
  while (n >= 1024 && unit < units.length - 1) [n, unit] = [n / 1024, unit + 1]
  return `${some.format(n)} ${units[unit]}`
}

export const time = (text) => (text ? new Date(text).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' }) : '')

// age is how long ago something was.
export function age(text) {
  const seconds = Math.max(0, Math.round((Date.now() - new Date(text)) / 1000))
  if (seconds < 90) return `${seconds} s`
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`
  return `${Math.round(seconds / 86400)} d`
}

// indented is JSON with a line for each member. It goes by the text, so that numbers that
// JavaScript cannot hold stay as they are. What is nested deeply is not indented further: a small
// document would become a large text.
export function indented(json) {
  let out = ''
  let depth = 0
  let opened = false // by the piece before: what is empty stays on its line
  const line = () => `\n${'  '.repeat(Math.min(depth, 20))}`
  for (const piece of pieces(json)) {
    const closes = piece === '}' || piece === ']'
    if (closes) depth--
    if (closes !== opened) out += line()
    out += piece === ',' ? piece + line() : piece === ':' ? ': ' : piece
    opened = piece === '{' || piece === '['
    if (opened) depth++
  }
  return out
}

// pieces are brackets, commas, colons and values. A string may be longer than what a regular
// expression can match.
function* pieces(json) {
  const begin = /"|[[\]{},:]|[^\s[\]{},:"]+/g
  for (let found; (found = begin.exec(json)); ) {
    let end = begin.lastIndex
    if (found[0] === '"') {
      while (end < json.length && json[end] !== '"') end += json[end] === '\\' ? 2 : 1
      begin.lastIndex = ++end
    }
    yield json.slice(found.index, end)
  }
}

// words splits a list as people write it.
export const words = (text) => text.split(/[,\n]/).map((w) => w.trim()).filter(Boolean)

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
// JavaScript cannot hold stay as they are.
export function indented(json) {
  let out = ''
  let depth = 0
  const line = () => `\n${'  '.repeat(depth)}`
  for (const [piece] of json.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    if (piece === '{' || piece === '[') {
      depth++
      out += piece + line()
    } else if (piece === '}' || piece === ']') {
      depth--
      out = /[[{]\s*$/.test(out) ? out.trimEnd() + piece : out + line() + piece
    } else out += piece === ',' ? piece + line() : piece === ':' ? ': ' : piece
  }
  return out
}

// words splits a list as people write it.
export const words = (text) => text.split(/[,\n]/).map((w) => w.trim()).filter(Boolean)

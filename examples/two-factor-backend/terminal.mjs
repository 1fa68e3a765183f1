// Questions and lines on a terminal.
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'

let hidden = false
const screen = new Writable({
  write(text, _, next) {
    if (!hidden) process.stdout.write(text)
    next()
  },
})
const input = createInterface({ input: process.stdin, output: screen, terminal: process.stdin.isTTY })
const questions = [] // that wait for a line
const early = [] // lines that came before their question
let listener

input.on('line', (line) => {
  if (questions.length > 0) questions.shift()(line)
  else if (listener) listener(line)
  else early.push(line)
})

// ask resolves to the next line. What is typed is not shown if it is hidden.
export async function ask(question, options = {}) {
  process.stdout.write(question)
  if (early.length > 0) return early.shift()
  hidden = options.hidden ?? false
  const line = await new Promise((answer) => questions.push(answer))
  if (hidden) process.stdout.write('\n')
  hidden = false
  return line
}

// onLine is given every line that answers no question, until it is called with nothing.
export function onLine(listen) {
  listener = listen
}

export const done = () => input.close()

// A script talks with the Go test that started it: events go out as lines of JSON on
// standard output, commands come in as lines on standard input.
import { createInterface } from 'node:readline'

export function emit(event, data = {}) {
  process.stdout.write(JSON.stringify({ event, ...data }) + '\n')
}

// need returns a setting that the test must give.
export function need(name) {
  const value = process.env[name]
  if (!value) throw new Error(`the environment variable ${name} is not set`)
  return value
}

const heardLines = []
const waiting = []
let input

function listen() {
  if (input) return
  input = createInterface({ input: process.stdin })
  input.on('line', (line) => {
    const at = waiting.findIndex((w) => w.command === line)
    if (at < 0) heardLines.push(line)
    else waiting.splice(at, 1)[0].go()
  })
}

// heard waits for a command of the test.
export function heard(command) {
  listen()
  const at = heardLines.indexOf(command)
  if (at >= 0) {
    heardLines.splice(at, 1)
    return Promise.resolve()
  }
  return new Promise((go) => waiting.push({ command, go }))
}

// run is a script's whole life: it ends with 0, or with 1 and the error's stack.
export async function run(main) {
  try {
    await main()
    emit('done')
    process.exit(0)
  } catch (err) {
    console.error(err?.stack ?? err, err?.status ?? '', err?.reason ?? '')
    process.exit(1)
  }
}

// within fails when a promise takes longer than ms.
export function within(ms, what, promise) {
  let timer
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error(`${what}: not within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

// until asks again and again until ask answers something true, and fails after ms.
export async function until(ms, what, ask) {
  const end = Date.now() + ms
  for (;;) {
    const answer = await ask()
    if (answer) return answer
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((go) => setTimeout(go, 25))
  }
}

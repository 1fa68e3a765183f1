import { randomUUID } from 'node:crypto'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'

// replaceFile writes a file whole or not at all: readers never see half of it.
export function replaceFile(path, text, mode) {
  const beside = `${path}.${randomUUID()}`
  writeFileSync(beside, text, { mode, flag: 'wx', flush: true })
  renameSync(beside, path)
}

// readIfThere is a file's text, or undefined if there is none.
export function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch (err) {
    if (err.code === 'ENOENT') return undefined
    throw err
  }
}

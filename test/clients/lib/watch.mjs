// Watching over a page: what it asks for, what it writes to the console, and whether anybody is kept out.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

export class Watch {
  asked = []
  wrong = []

  // allowed is the origin of everything that the page may ask for.
  constructor(page, allowed) {
    this.page = page
    page.on('console', (m) => ['error', 'warning'].includes(m.type()) && this.wrong.push(`${m.type()}: ${m.text()}`))
    page.on('pageerror', (err) => this.wrong.push(`thrown: ${err.stack}`))
    page.on('dialog', (d) => { this.wrong.push(`dialog: ${d.message()}`); d.dismiss() })
    page.on('request', (r) => {
      const url = r.url()
      if (!url.startsWith(`${allowed}/`) && !url.startsWith(`blob:${allowed}/`)) this.wrong.push(`a request to ${url}`)
    })
    page.on('response', (r) => this.asked.push(r))
  }

  // since starts a count, and returns what ends it: how many answers came, and how large they are.
  since() {
    this.asked = []
    return async () => {
      const api = this.asked.filter((r) => !r.url().includes('/_console/') && !r.url().startsWith('blob:'))
      const sizes = await Promise.all(api.map((r) => Promise.race([r.body().then((b) => b.length, () => 0), new Promise((late) => setTimeout(late, 200, 0))])))
      return { requests: api.length, bytes: sizes.reduce((a, b) => a + b, 0), paths: api.map((r) => `${r.request().method()} ${new URL(r.url()).pathname}`) }
    }
  }

  // quiet fails if something went wrong since the last time, but for what is expected.
  quiet(expected = () => false) {
    const wrong = this.wrong.filter((w) => !expected(w))
    this.wrong = []
    assert.deepEqual(wrong, [])
  }
}

// accessible fails on what axe-core finds serious or critical, of some rules or of all.
export async function accessible(page, what, rules) {
  if (!(await page.evaluate('typeof axe'))?.startsWith('object')) await page.evaluate(axe)
  const found = await page.evaluate(async (rules) => {
    const { violations } = await window.axe.run(document, { resultTypes: ['violations'], ...(rules && { runOnly: { type: 'rule', values: rules } }) })
    return violations.filter((v) => ['serious', 'critical'].includes(v.impact)).map((v) => `${v.id}: ${v.nodes.map((n) => `${n.html} ${n.any[0]?.message ?? ''}`).slice(0, 3).join(' | ')}`)
  }, rules)
  assert.deepEqual(found, [], `axe-core on ${what}`)
}

// fits fails if the page is wider than the window.
export async function fits(page, what) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(wide <= window, `${what} is ${wide} px wide in a window of ${window}`)
}

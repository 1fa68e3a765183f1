// Watching over a page: what it asks for, what it writes to the console.
import assert from 'node:assert/strict'

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

// fits fails if the page is wider than the window.
export async function fits(page, what) {
  const [wide, window] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
  assert.ok(wide <= window, `${what} is ${wide} px wide in a window of ${window}`)
}

// Takes the README's picture of the quickstart's app: alice's window and bob's, with a list
// that they share. Not a test. Against a quickstart without data:
//   CHROMIUM=/usr/bin/chromium SYNC_URL=http://localhost:8080 node picture.mjs ../../docs/img/quickstart.png
import { readFileSync, writeFileSync } from 'node:fs'
import { chromium } from 'playwright-core'
import { Person } from './lib/person.mjs'

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ['--no-sandbox'] })
const [alice, bob] = await Promise.all(['alice', 'bob'].map((name) =>
  Person.make(browser, process.env.SYNC_URL, name, { viewport: { width: 390, height: 560 }, colorScheme: name === 'bob' ? 'dark' : 'light' })))
await alice.page.setViewportSize({ width: 900, height: 560 })
await alice.signIn()
await bob.signIn()
for (const list of ['Books', 'A weekend by the sea', 'Groceries']) await alice.makeList(list)
for (const item of ['Bread', 'Green apples', 'Milk']) await alice.add(item)
await alice.share('bob')
await bob.choose('Groceries')
await bob.item('Milk').check()
await bob.add('Chocolate')
await alice.item('Chocolate').waitFor()
await alice.page.getByRole('checkbox', { name: /^Milk/, checked: true }).waitFor()
for (const person of [alice, bob]) await person.page.locator(':focus').evaluateAll(([element]) => element?.blur())

const shot = async (person) => `data:image/png;base64,${(await person.page.screenshot()).toString('base64')}`
const window = (title, picture) => `<figure><figcaption>${title}</figcaption><img src="${picture}" alt=""></figure>`
const page = await browser.newPage({ viewport: { width: 1400, height: 640 } })
await page.setContent(`<style>
  body { margin: 0; padding: 16px; display: flex; align-items: start; gap: 20px; width: max-content; background: #e9edf2; font: 14px system-ui, sans-serif }
  figure { margin: 0; border-radius: 10px; overflow: hidden; box-shadow: 0 2px 10px #0004; background: #fff }
  figcaption { padding: 8px 14px; background: #d6dce4; color: #223 } img { display: block }
</style>${window('alice, in a browser', await shot(alice))}${window('bob, in another', await shot(bob))}`)
writeFileSync(process.argv[2], await page.locator('body').screenshot())
await browser.close()
console.log(readFileSync(process.argv[2]).length, 'bytes')

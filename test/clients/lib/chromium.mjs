// A real browser: the Chromium that is installed, driven by playwright-core, which brings
// none of its own.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chromium } from 'playwright-core'
import { need } from './talk.mjs'

// launch starts one without a window, with a profile in a new folder. CHROMIUM is its path.
// The context that it returns keeps the cookies of other sites, as Cordova tells Android's
// WebView to; Chromium by itself does not. Contexts made by its browser() are private
// windows, which never do.
export function launch(folder, more) {
  mkdirSync(join(folder, 'Default'), { recursive: true })
  writeFileSync(join(folder, 'Default', 'Preferences'), JSON.stringify({ profile: { cookie_controls_mode: 0, block_third_party_cookies: false } }))
  const root = process.getuid?.() === 0 // the sandbox does not work for root
  return chromium.launchPersistentContext(folder, { executablePath: need('CHROMIUM'), args: root ? ['--no-sandbox'] : [], ...more })
}

// Puts PouchDB where the app's page loads it from. npm runs this after `npm ci`.
import { copyFileSync, mkdirSync } from 'node:fs'

mkdirSync('app/lib', { recursive: true })
copyFileSync('node_modules/pouchdb/dist/pouchdb.min.js', 'app/lib/pouchdb.min.js')

// React 18 and later.
//
//   const db = new PouchDB('notes-alice')
//   const remote = new PouchDB('https://sync.example.com/notes', { skip_setup: true })
//
//   function Notes() {
//     const notes = useDocuments(db)
//     const { state, retry } = useSync(db, remote)
//     if (state === 'signed-out') return <SignIn done={retry} />
//     return <ul aria-busy={state === 'syncing'}>{notes.map((note) => <li key={note._id}>{note.text}</li>)}</ul>
//   }
import { useMemo, useSyncExternalStore } from 'react'
import { documents, syncing } from './live.js'

// useDocuments are the documents of a local database. options are those of live.js, the same
// object each time: made outside of the component, or by useMemo.
export function useDocuments(db, options) {
  return useStore(useMemo(() => documents(db, options), [db, options]))
}

// useSync syncs while the component is there, and is {state, reason, refused, retry}.
export function useSync(db, remote) {
  const store = useMemo(() => syncing(db, remote), [db, remote])
  return { ...useStore(store), retry: store.retry }
}

const useStore = (store) => useSyncExternalStore(store.subscribe, store.get, store.get)

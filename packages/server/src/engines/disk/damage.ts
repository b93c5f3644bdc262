import { FanfareError } from '@fanfare/wire'
import type { Files } from './files.ts'

/** The store's files are not what was synced. Says where, and what can be done. */
export function damaged(file: string, place: number, what: string, extra: Record<string, unknown> = {}): FanfareError {
  const way =
    'Restore the directory from a copy, or start once with --repair, which moves what can not be read into files named "damaged-…" and goes on without it.'
  return new FanfareError('storage-failed', `The store is damaged: ${file} at byte ${place}: ${what}. ${way}`, {
    extra: { file, place, ...extra },
  })
}

/** Throws where a file is missing that the manifest names; opening would make it. */
export function mustExist(files: Files, file: string): void {
  if (!files.list().some(({ name }) => name === file)) throw damaged(file, 0, 'the manifest names it, and it is missing')
}

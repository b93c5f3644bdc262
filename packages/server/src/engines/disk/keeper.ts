import { FanfareError } from '@fanfare/wire'
import type { Files } from './files.ts'
import { prepareJournal } from './journal.ts'
import { type JournalRow, type Manifest, replaceManifest } from './manifest.ts'

export type KeeperQuestion = { readonly kind: 'journal'; readonly size: number; readonly nonce: number }
export type KeeperAnswer = { readonly kind: 'journal'; readonly row: JournalRow }

/** Owns the manifest after the opening: all that makes, seals, merges and removes files goes through it, one after the other. */
export class Keeper {
  readonly #files: Files
  readonly #storageBytes: number
  #manifest: Manifest

  constructor(files: Files, manifest: Manifest, storageBytes: number) {
    this.#files = files
    this.#manifest = manifest
    this.#storageBytes = storageBytes
  }

  handle(question: KeeperQuestion): KeeperAnswer {
    return { kind: 'journal', row: this.#makeJournal(question.size, question.nonce) }
  }

  #makeJournal(size: number, nonce: number): JournalRow {
    this.#checkSpace(size)
    const number = this.#manifest.nextNumber
    const row = { number, generation: number, nonce, size }
    prepareJournal(this.#files, row, undefined)
    this.#replace({ nextNumber: number + 1, journals: [...this.#manifest.journals, row] })
    return row
  }

  /** The store takes at most 80 % of what is free and its own together, so that it never fills a disk. */
  #checkSpace(more: number): void {
    const own = this.#files.list().reduce((sum, { size }) => sum + size, 0)
    const most = Math.min(this.#storageBytes, 0.8 * (own + this.#files.free()))
    if (own + more > most)
      throw new FanfareError(
        'storage-full',
        `the store has ${own} bytes and may have ${Math.floor(most)}; a journal of ${more} does not fit`,
      )
  }

  #replace(change: Partial<Manifest>): void {
    const manifest = { ...this.#manifest, ...change }
    replaceManifest(this.#files, manifest)
    this.#manifest = manifest
  }
}

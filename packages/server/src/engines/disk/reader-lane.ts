import type { Entries } from './entries.ts'
import type { Files } from './files.ts'
import { type Lane, localLane, workerLane } from './lane.ts'
import { type PageAnswer, type PageJob, PageReader } from './page-reader.ts'
import type { ScanJob } from './scanning.ts'

export type ReaderQuestion =
  | { readonly kind: 'page'; readonly job: PageJob }
  | { readonly kind: 'scan'; readonly job: ScanJob }
  | { readonly kind: 'release'; readonly file: string }
export type ReaderAnswer = PageAnswer | Entries | undefined
export type ReaderLane = Lane<ReaderQuestion, ReaderAnswer>

export function handleRead(reader: PageReader, question: ReaderQuestion): ReaderAnswer {
  switch (question.kind) {
    case 'page':
      return reader.read(question.job)
    case 'scan':
      return reader.scan(question.job)
    case 'release':
      return void reader.release(question.file)
    default:
      return question satisfies never
  }
}

export function workerReaderLane(directory: string): ReaderLane {
  const lane = workerLane<ReaderQuestion, ReaderAnswer>('reader-worker', { directory })
  return {
    get started() {
      return lane.started
    },
    start: () => lane.start(),
    // Who never ran has nothing open: while all receivers are at the head, there is no such thread.
    ask: (question) => (question.kind === 'release' && !lane.started ? Promise.resolve(undefined) : lane.ask(question)),
    close: () => lane.close(),
  }
}

export function localReaderLane(files: Files, soon: (call: () => void) => void): ReaderLane {
  const reader = new PageReader(files)
  return localLane(
    (question: ReaderQuestion) => handleRead(reader, question),
    soon,
    () => reader.close(),
  )
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { AppendAnswer, Commit, Engine, EngineOptions, Item, Page, Placed } from '@fanfare/server'
import { defaultKeep, limits } from '@fanfare/wire'
import type { Keep, Limits, Publication } from '@fanfare/wire'
import { onTestFinished } from 'vitest'
import { ManualClock } from './clock.ts'
import type { EngineRow } from './row.ts'

export interface LabOptions {
  readonly keep?: Partial<Keep>
  readonly rules?: EngineOptions['rules']
  readonly limits?: Partial<Limits>
}

/** One store of a row under a manual clock, closed and removed when its test is over. */
export interface Lab {
  readonly clock: ManualClock
  readonly directory: string
  /** The one that is open now. */
  readonly engine: Engine
  /** Closes and opens again: a durable engine goes on. */
  reopen(): Promise<Engine>
  /** Another engine of the row, in a directory or a new one. */
  another(directory?: string): Promise<Engine>
}

export async function openLab(row: EngineRow, changed: LabOptions = {}): Promise<Lab> {
  const clock = new ManualClock()
  const rules = changed.rules ?? [
    { match: '**', keep: { ...defaultKeep, ...changed.keep }, payloadBytes: limits.payloadBytes, public: false },
  ]
  const options: EngineOptions = { runtime: clock, rules, limits: { ...limits, ...changed.limits } }
  const directories: string[] = []
  const engines: Engine[] = []
  onTestFinished(async () => {
    for (const engine of engines) await engine.close()
    for (const directory of directories) await rm(directory, { recursive: true, force: true })
  })
  const newDirectory = async (): Promise<string> => {
    const directory = await mkdtemp(join(tmpdir(), 'fanfare-engine-'))
    directories.push(directory)
    return directory
  }
  const open = async (directory: string): Promise<Engine> => {
    const engine = await row.open(options, directory)
    engines.push(engine)
    return engine
  }
  const directory = await newDirectory()
  let engine = await open(directory)
  return {
    clock,
    directory,
    get engine() {
      return engine
    },
    async reopen() {
      await engine.close()
      return (engine = await open(directory))
    },
    another: async (directory) => open(directory ?? (await newDirectory())),
  }
}

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value)
}

export function textOf(publication: Publication | undefined): string {
  return new TextDecoder().decode(publication?.data)
}

/** An item that publishes text. */
export function say(channel: string, value: string, once?: { key: string; print?: string; expires: number }): Item {
  const message = { data: text(value), format: 'text' as const }
  return { kind: 'publication', channel, message, ...(once === undefined ? {} : { once: { print: value, ...once } }) }
}

export function drop(channel: string): Item {
  return { kind: 'delete', channel }
}

export async function append(engine: Engine, ...items: readonly Item[]): Promise<readonly Placed[]> {
  return placedOf(await engine.append({ items }))
}

export function placedOf(answer: AppendAnswer): readonly Placed[] {
  if (answer.kind === 'conflict') throw new Error(`a conflict at ${answer.index}`)
  return answer.placed
}

/** Publishes the texts, an append each, and answers their seqs. */
export async function publish(engine: Engine, channel: string, ...values: readonly string[]): Promise<readonly number[]> {
  const placed = await Promise.all(values.map((value) => append(engine, say(channel, value))))
  return placed.map(([first]) => first?.seq ?? 0)
}

/** All pages from a place to the head or to `through`. */
export async function pages(engine: Engine, channel: string, after = 0, through?: number): Promise<readonly Page[]> {
  const end = through ?? (await engine.head()).seq
  const found: Page[] = []
  for (let place = after; place < end; place = found.at(-1)?.through ?? end) {
    const page = await engine.read(channel, place, end)
    if (page.through <= place) throw new Error(`a page from ${place} to ${end} that comes to ${page.through} only`)
    found.push(page)
  }
  return found
}

export async function kept(engine: Engine, channel: string, after = 0, through?: number): Promise<readonly Publication[]> {
  return (await pages(engine, channel, after, through)).flatMap((page) => page.publications)
}

/** Follows from a place and remembers what was told. */
export class Ear {
  readonly commits: Commit[] = []
  readonly end: () => void
  #wake: () => void = () => {}

  constructor(engine: Engine, after: number) {
    this.end = engine.follow(after, (commit) => {
      this.commits.push(commit)
      this.#wake()
    })
  }

  get publications(): readonly Publication[] {
    return this.commits.flatMap((commit) => commit.publications)
  }

  /** Waits until the place was told. */
  async reach(place: number): Promise<void> {
    while ((this.commits.at(-1)?.through ?? 0) < place) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

/** Publishes so much that an engine which puts its log in order by and by does so: 4 MiB, of which little is kept. */
export async function fill(engine: Engine, channel: string): Promise<void> {
  for (let count = 0; count < 64; count++) await append(engine, say(channel, 'x'.repeat(65_536)))
}

/** Lets time pass, half a minute at a time, until it is so. */
export async function eventually(clock: ManualClock, isSo: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await isSo()) return
    clock.advance(30_000)
    await turn()
  }
  throw new Error('it never came to be so')
}

/** A turn of the event loop, and of those that answer from another thread. */
export async function turn(): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 1))
}

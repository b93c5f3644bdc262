import { JournalWriter } from '../../../src/engines/disk/commit-lane.ts'
import { type Block, newBlock } from '../../../src/engines/disk/crc.ts'
import {
  frameHeadBytes,
  kinds,
  padded,
  readFrame,
  recordKind,
  recordLength,
  recordSeq,
  sealFrame,
  stepped,
  type SyncedPlace,
} from '../../../src/engines/disk/format.ts'
import { FrameWriter } from '../../../src/engines/disk/frame-writer.ts'
import { journalBegin } from '../../../src/engines/disk/journal.ts'
import { Keeper } from '../../../src/engines/disk/keeper.ts'
import { runToEnd } from '../../../src/engines/disk/keeper-lane.ts'
import { type JournalRow, journalName, segmentName } from '../../../src/engines/disk/manifest.ts'
import { recoverStore } from '../../../src/engines/disk/opening.ts'
import { readPublication } from '../../../src/engines/disk/record-reader.ts'
import { readTrailer, segmentBegin } from '../../../src/engines/disk/segment.ts'
import { removeStrays } from '../../../src/engines/disk/strays.ts'
import { type Chance, chanceOf, SimulatedDisk } from './simulated-disk.ts'

export interface Findings {
  states: number
  lost: number
  invented: number
  refused: number
  /** The first of them, in words. */
  first: string | undefined
}

class PowerCut extends Error {}

const journalBytes = 6 * 4096
const channels = 5
const encoder = new TextEncoder()
const decoder = new TextDecoder()

// Everything is kept: what is looked at here is the log, not retention.
const bounds = {
  lastOffset: [new Float64Array(16)],
  totalBytes: [new Float64Array(16)],
  deletedAt: [new Float64Array(16)],
  since: [new Float64Array(16).fill(1)],
  rule: [new Uint16Array(16)],
  keeps: [{ publications: null, bytes: null, ageMs: null }],
  horizons: [-1],
}

/** Writes as the engine writes (the same code, without its threads), is cut off anywhere, and goes on from what is left. */
class Life {
  readonly #chance: Chance
  readonly #random: (count: number) => Uint8Array
  readonly findings: Findings
  disk = new SimulatedDisk()
  /** What each seq holds that somebody was told of. */
  #told: string[] = []
  /** Of the frame under way. */
  #under: string[] = []
  #start = 0
  #synced: SyncedPlace = { generation: 0, place: 0 }
  #journal: JournalRow | undefined
  #place = 0
  #spares: JournalRow[] = []
  #full: { readonly number: number; readonly end: number; readonly before: number; last: number }[] = []
  #before = 0
  #keeper: Keeper | undefined
  #writer: JournalWriter | undefined
  #serial = 0

  constructor(chance: Chance, findings: Findings) {
    this.#chance = chance
    this.#random = (count) => Uint8Array.from({ length: count }, () => chance(256))
    this.findings = findings
  }

  /** A start, with what must be true of it. False where it can't go on. */
  begin(): boolean {
    this.findings.states++
    try {
      const { manifest, recovered, synced } = recoverStore(this.disk, { random: this.#random, journalBytes, repair: false })
      removeStrays(this.disk, manifest)
      if (!this.#judge(entriesOf(this.disk))) return false
      const used = recovered.journals.filter(({ end }, n) => end > journalBegin || n === 0)
      const current = used.at(-1)!
      this.#start = manifest.starts.length
      this.#synced = synced
      this.#journal = current.row
      this.#place = current.end
      this.#spares = manifest.journals.slice(manifest.journals.indexOf(current.row) + 1)
      this.#full = used.slice(0, -1).map(({ row, end, before }, n) => ({ number: row.number, end, before, last: used[n + 1]!.before }))
      this.#before = current.before
      this.#keeper = new Keeper(this.disk, manifest, { storageBytes: 1e12, mergeFromBytes: 4096, mergeMostBytes: 1e9 })
      this.#writer = new JournalWriter(this.disk)
      return true
    } catch (error) {
      if (error instanceof PowerCut) throw error
      this.#find('refused', (error as Error).message)
      return false
    }
  }

  /** Lives until the power is cut, or for so many steps. */
  live(steps: number): void {
    try {
      for (let step = 0; step < steps; step++) {
        const dice = this.#chance(12)
        if (dice < 8) this.#commit(1 + this.#chance(3))
        else if (dice === 8) this.#commit(0)
        else if (dice === 9) this.#seal()
        else if (dice === 10) this.#makeJournal()
        else if (this.#chance(3) === 0) runToEnd(this.#keeper!.handle({ kind: 'tend', now: 0, bounds, full: this.#chance(2) === 0 }))
        if (this.#chance(40) === 0) this.disk.failSync = /^journal/
      }
    } catch (error) {
      // A failed sync ends this start as well: nothing is acknowledged after it.
      if (!(error instanceof PowerCut) && (error as NodeJS.ErrnoException).code !== 'EIO') throw error
    } finally {
      this.disk.failSync = undefined
    }
  }

  cutAfter(steps: number): void {
    let left = steps
    this.disk.onStep = () => {
      if (left-- <= 0) throw new PowerCut('the power is cut')
    }
  }

  /** All of it up to now, in a copy that is judged by itself. */
  fork(disk: SimulatedDisk): Life {
    const copy = new Life(this.#chance, this.findings)
    copy.disk = disk
    copy.#told = [...this.#told]
    copy.#under = [...this.#under]
    copy.#serial = this.#serial
    return copy
  }

  /** The entries must be those that were told, and then all or none of those under way. */
  #judge(found: readonly string[]): boolean {
    for (const [n, text] of this.#told.entries()) {
      if (found[n] === undefined) return this.#find('lost', `seq ${n + 1} of ${this.#told.length} is missing`)
      if (found[n] !== text) return this.#find('invented', `seq ${n + 1} holds ${found[n]} in place of ${text}`)
    }
    const more = found.slice(this.#told.length)
    if (more.length > 0 && more.join() !== this.#under.join())
      return this.#find('invented', `${more.length} entries more, ${this.#under.length} under way`)
    this.#told = [...found]
    this.#under = []
    return true
  }

  #find(what: 'lost' | 'invented' | 'refused', text: string): false {
    this.findings[what]++
    this.findings.first ??= `${what}: ${text}`
    return false
  }

  #commit(count: number): void {
    const writer = new FrameWriter(newBlock(2 * 4096))
    const texts: string[] = []
    let seq = this.#told.length
    for (let n = 0; n < count; n++) {
      const text = `${++this.#serial}:${'x'.repeat(this.#chance(this.#chance(4) === 0 ? 3000 : 60))}`
      if (writer.at + text.length + 64 > writer.block.bytes.length) break
      texts.push(text)
      seq++
      writer.publication(1 + this.#chance(channels), seq, seq, 1, 0, { data: encoder.encode(text), format: 'text' })
    }
    if (this.#place + writer.at > this.#journal!.size && !this.#switch()) return
    const journal = this.#journal!
    const place = this.#place
    sealFrame(writer.block, 0, {
      nonce: journal.nonce,
      length: writer.at,
      generation: journal.generation,
      start: this.#start,
      records: writer.records,
      firstSeq: this.#told.length + 1,
      synced: this.#synced,
      time: 1,
    })
    this.#under = texts
    this.#writer!.write(writer.block.bytes.subarray(0, writer.at), journal.number, place)
    this.#told.push(...texts)
    this.#under = []
    this.#place = stepped(place + writer.at)
    this.#synced = { generation: journal.generation, place: this.#place }
  }

  /** Frames that a later frame names as synced. */
  framesBelow(): { readonly name: string; readonly place: number; readonly length: number }[] {
    const found: { name: string; place: number; length: number }[] = []
    for (const row of this.#keeper!.manifest.journals) {
      const block = newBlock(row.size)
      this.disk.open(journalName(row.number)).read(block.bytes, 0)
      for (let at = journalBegin; at < row.size;) {
        const frame = readFrame(block, at, row.size, row)
        if (frame === undefined) break
        found.push({ name: journalName(row.number), place: at, length: frame.length })
        at = stepped(at + frame.length)
      }
    }
    return found.slice(0, -1)
  }

  #switch(): boolean {
    if (this.#spares.length === 0) this.#makeJournal()
    const next = this.#spares.shift()
    if (next === undefined) return false
    this.#full.push({ number: this.#journal!.number, end: this.#place, before: this.#before, last: this.#told.length })
    this.#before = this.#told.length
    this.#journal = next
    this.#place = journalBegin
    return true
  }

  #makeJournal(): void {
    if (this.#spares.length >= 2) return
    const nonce = this.#chance(0x7fff_ffff) + 1
    const { journal } = runToEnd(this.#keeper!.handle({ kind: 'journal', size: journalBytes, least: journalBytes, nonce }))
    this.#spares.push(journal!)
  }

  #seal(): void {
    const [journal] = this.#full
    // As in the engine: what stands before a journal is sealed when that one has a synced frame.
    if (journal === undefined || this.#place === journalBegin) return
    runToEnd(
      this.#keeper!.handle({
        kind: 'seal',
        journal: journal.number,
        end: journal.end,
        before: journal.before,
        last: journal.last,
        now: 0,
        bounds,
      }),
    )
    this.#full.shift()
    if (this.#chance(4) > 0) runToEnd(this.#keeper!.handle({ kind: 'release', file: journalName(journal.number) }))
  }
}

/** Every entry of the store by its seq, read from segments and journals without the engine's tables. */
function entriesOf(disk: SimulatedDisk): string[] {
  const { body } = JSON.parse(`{"body":${decoder.decode(disk.contents('manifest')).split('\n')[0]}}`) as {
    body: { segments: { number: number; length: number; crc: number }[]; journals: JournalRow[] }
  }
  const found: string[] = []
  const take = (block: Block, at: number) => {
    if (recordKind(block, at) === kinds.publication) found[recordSeq(block, at) - 1] = decoder.decode(readPublication(block, at, '').data)
  }
  for (const row of body.segments) {
    const file = disk.open(segmentName(row.number))
    const { trailer } = readTrailer(file, row as never)
    const block = newBlock(row.length)
    file.read(block.bytes, 0)
    for (let at = segmentBegin; at < trailer.runsEnd; at += padded(recordLength(block, at))) take(block, at)
  }
  let seq = found.length
  let start = 0
  for (const row of body.journals) {
    const block = newBlock(row.size)
    disk.open(journalName(row.number)).read(block.bytes, 0)
    for (let at = journalBegin; at < row.size;) {
      const frame = readFrame(block, at, row.size, row)
      if (frame === undefined || frame.firstSeq !== seq + 1 || frame.start < start) break
      start = frame.start
      for (let n = 0, place = at + frameHeadBytes; n < frame.records; n++, place += padded(recordLength(block, place))) {
        take(block, place)
        seq++
      }
      at = stepped(at + frame.length)
    }
  }
  return found
}

const outcomes = 8

/** Lives of several starts each; each end is looked at in several outcomes, and one of them goes on. */
export function runLives(seed: number, states: number, untilFirst = false): Findings {
  const findings: Findings = { states: 0, lost: 0, invented: 0, refused: 0, first: undefined }
  for (let n = 0; findings.states < states; n++) {
    const before = findings.first
    runLife(chanceOf(seed * 1_000_003 + n), findings)
    if (before === undefined && findings.first !== undefined) findings.first += ` (seed ${seed}, life ${n})`
    if (untilFirst && findings.first !== undefined) break
  }
  return findings
}

function runLife(chance: Chance, findings: Findings): void {
  let life = new Life(chance, findings)
  for (let end = 0; end < 6; end++) {
    life.cutAfter(chance(120))
    try {
      if (life.begin()) life.live(60)
    } catch (error) {
      // Cut within the start itself.
      if (!(error instanceof PowerCut)) throw error
    }
    life.disk.onStep = undefined
    const ends =
      chance(3) === 0 ? [life.fork(life.disk.kill())] : Array.from({ length: outcomes }, () => life.fork(life.disk.crash(chance)))
    const going = ends.pop()!
    for (const other of ends) if (other.begin()) lookAgain(other, chance)
    life = going
  }
}

/** What a start gave out once must still be there when the power goes right after it. */
function lookAgain(life: Life, chance: Chance): void {
  if (chance(2) === 0) life.fork(life.disk.crash(chance)).begin()
}

/** A store of some synced frames in which one byte is changed: is it found? The last frames stand for themselves: a closing frame names them. */
export function flipOne(seed: number): { readonly found: boolean; readonly where: string } {
  const chance = chanceOf(seed)
  const life = new Life(chance, { states: 0, lost: 0, invented: 0, refused: 0, first: undefined })
  life.begin()
  life.live(40)
  const synced = life.framesBelow()
  if (synced.length === 0) return { found: true, where: 'nothing to damage' }
  const { name, place, length } = synced[chance(synced.length)]!
  const at = place + chance(length)
  life.disk.flip(name, at)
  try {
    recoverStore(life.disk, { random: (count) => new Uint8Array(count).fill(7), journalBytes, repair: false })
    return { found: false, where: `${name} at ${at}` }
  } catch (error) {
    return { found: /damaged/.test((error as Error).message), where: (error as Error).message }
  }
}

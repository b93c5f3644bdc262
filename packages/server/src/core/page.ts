import { ByteWriter } from '@fanfare/wire'
import type { Publication } from '@fanfare/wire'
import type { Form } from './form.ts'
import type { Tokens } from './tokens.ts'

/** What a decoded publication costs beside its payload (measured: about 400 bytes). */
const publicationCost = 400

/**
 * All kept publications of a channel in (from, through]. Covers every cursor with from <= place < through; where pages were cut says nothing, so
 * pages are looked up by coverage and may overlap. The open page at the end of a hub's tail grows; its `through` is Infinity until it is closed.
 */
export class Page {
  readonly from: number
  through: number
  readonly publications: Publication[]
  /** Memory it holds, encoded forms included. */
  size = 0
  /** Payload bytes. */
  bytes = 0
  #first: Encoded | undefined
  #others: Map<string, Encoded> | undefined

  constructor(from: number, through: number, publications: Publication[]) {
    this.from = from
    this.through = through
    this.publications = publications
    for (const publication of publications) this.#count(publication)
  }

  covers(place: number): boolean {
    return this.from <= place && place < this.through
  }

  add(publication: Publication): void {
    this.publications.push(publication)
    this.#count(publication)
  }

  /** Index of the first publication after the place. */
  indexAfter(place: number): number {
    const { publications } = this
    let low = 0
    let high = publications.length
    // Most ask for the newest, or for the page from its begin.
    if (high > 0 && (publications[high - 1]?.seq ?? 0) <= place) return high
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((publications[middle]?.seq ?? 0) <= place) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Its bytes in a form, encoded once and up to date. */
  encoded(form: Form, channelJson: string, tokens: Tokens): Encoded {
    let encoded = this.#first
    if (encoded?.key !== form.key) {
      if (encoded === undefined) {
        encoded = this.#first = new Encoded(form.key)
      } else {
        this.#others ??= new Map()
        encoded = this.#others.get(form.key)
        if (encoded === undefined) this.#others.set(form.key, (encoded = new Encoded(form.key)))
      }
    }
    if (encoded.count < this.publications.length) this.size += encoded.encode(form, this.publications, channelJson, tokens)
    return encoded
  }

  #count(publication: Publication): void {
    this.bytes += publication.data.length
    this.size += publication.data.length + publicationCost
  }
}

const scratch = new ByteWriter(16 * 1024)
const context = { cursor: '', channelJson: '' }

/** The bytes of a page in one form: one buffer with the ends of its entries. What was given out is never changed; the buffer only grows at its end. */
export class Encoded {
  readonly key: string
  #buffer: Uint8Array = new Uint8Array(0)
  readonly #ends: number[] = []
  #from = -1
  #to = -1
  #slice = this.#buffer

  constructor(key: string) {
    this.key = key
  }

  get count(): number {
    return this.#ends.length
  }

  /** Bytes of the entries in [from, to). */
  length(from: number, to: number): number {
    return this.#end(to) - this.#end(from)
  }

  /** The joined bytes of [from, to): the same object to all who ask for the same. */
  slice(from: number, to: number): Uint8Array {
    if (from === this.#from && to === this.#to) return this.#slice
    this.#from = from
    this.#to = to
    this.#slice = this.#buffer.subarray(this.#end(from), this.#end(to))
    return this.#slice
  }

  /** Encodes what is new and returns by how much the buffer grew. */
  encode(form: Form, publications: readonly Publication[], channelJson: string, tokens: Tokens): number {
    const base = this.#end(this.count)
    const before = this.#buffer.length
    scratch.clear()
    context.channelJson = channelJson
    for (let i = this.count; i < publications.length; i++) {
      const publication = publications[i]
      if (publication === undefined) break
      context.cursor = tokens.token(publication.seq)
      form.encode(scratch, publication, context)
      this.#ends.push(base + scratch.length)
    }
    this.#append(base)
    return this.#buffer.length - before
  }

  #append(base: number): void {
    const added = scratch.slice()
    if (base === 0) {
      this.#buffer = added
      return
    }
    if (base + added.length > this.#buffer.length) {
      const grown = new Uint8Array(Math.max(base + added.length, this.#buffer.length * 2))
      grown.set(this.#buffer.subarray(0, base))
      this.#buffer = grown
    }
    this.#buffer.set(added, base)
  }

  #end(index: number): number {
    return index === 0 ? 0 : (this.#ends[index - 1] ?? 0)
  }
}

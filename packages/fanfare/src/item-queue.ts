/** A bounded queue of bytes between one who reads and one who sends: who puts too much in waits until it has been taken. */
export class ItemQueue {
  readonly #mostItems: number
  readonly #mostBytes: number
  #items: Uint8Array[] = []
  #bytes = 0
  #ended = false
  #wake: (() => void) | undefined
  #room: (() => void) | undefined

  /** What `take` gives at most in one go (but at least one item); twice as much waits inside. */
  constructor(mostItems: number, mostBytes: number) {
    this.#mostItems = mostItems
    this.#mostBytes = mostBytes
  }

  put(item: Uint8Array): void {
    this.#items.push(item)
    this.#bytes += item.length + 1
    this.#wake?.()
  }

  get full(): boolean {
    return this.#items.length >= 2 * this.#mostItems || this.#bytes >= 2 * this.#mostBytes
  }

  /** Resolves when there is room for more. */
  async room(): Promise<void> {
    while (this.full) await new Promise<void>((resolve) => (this.#room = resolve))
  }

  end(): void {
    this.#ended = true
    this.#wake?.()
  }

  /** What is there, in order, as soon as there is anything; nothing at the end. */
  async take(): Promise<readonly Uint8Array[]> {
    while (this.#items.length === 0 && !this.#ended) await new Promise<void>((resolve) => (this.#wake = resolve))
    let count = 0
    let bytes = 0
    while (count < this.#items.length && count < this.#mostItems) {
      const length = (this.#items[count]?.length ?? 0) + 1
      if (count > 0 && bytes + length > this.#mostBytes) break
      bytes += length
      count++
    }
    this.#bytes -= bytes
    const taken = this.#items.splice(0, count)
    this.#room?.()
    return taken
  }
}

/** Reads under way at once; the others wait in turn, so that not all who lag hold a page. */
export class Reads {
  readonly #most: number
  readonly #waiting: (() => Promise<void>)[] = []
  #first = 0
  #running = 0

  constructor(most: number) {
    this.#most = most
  }

  /** The question handles its own failure. */
  ask(question: () => Promise<void>): void {
    if (this.#running >= this.#most) {
      this.#waiting.push(question)
      return
    }
    this.#running++
    void question().finally(() => this.#next())
  }

  #next(): void {
    this.#running--
    const question = this.#waiting[this.#first]
    if (question === undefined) return
    this.#first++
    if (this.#first === this.#waiting.length) {
      this.#waiting.length = 0
      this.#first = 0
    } else if (this.#first > 1024 && this.#first * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    this.ask(question)
  }
}

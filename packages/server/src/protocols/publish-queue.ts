import type { Link } from './protocol.ts'

const mostUnderWay = 256
const mostUnderWayBytes = 1024 * 1024

/** Publishes of one connection that wait for their commit. Over the limits the link isn't read, so a client can't send faster than the store commits. */
export class PublishQueue {
  readonly #link: Link
  #underWay = 0
  #bytes = 0
  #held = false
  readonly #quiet: (() => void)[] = []

  constructor(link: Link) {
    this.#link = link
  }

  add<T>(bytes: number, publish: Promise<T>, answered: ((value: T) => void) | undefined, failed: (error: unknown) => void): void {
    this.#underWay++
    this.#bytes += bytes
    if (!this.#held && (this.#underWay >= mostUnderWay || this.#bytes >= mostUnderWayBytes)) {
      this.#held = true
      this.#link.hold()
    }
    void this.#settle(bytes, publish, answered, failed)
  }

  async #settle<T>(
    bytes: number,
    publish: Promise<T>,
    answered: ((value: T) => void) | undefined,
    failed: (error: unknown) => void,
  ): Promise<void> {
    try {
      const value = await publish
      answered?.(value)
    } catch (error) {
      failed(error)
    } finally {
      this.#done(bytes)
    }
  }

  /** Calls once nothing is under way. */
  whenQuiet(call: () => void): void {
    if (this.#underWay === 0) call()
    else this.#quiet.push(call)
  }

  #done(bytes: number): void {
    this.#underWay--
    this.#bytes -= bytes
    if (this.#underWay === 0) for (const call of this.#quiet.splice(0)) call()
    if (!this.#held || this.#underWay > mostUnderWay / 2 || this.#bytes > mostUnderWayBytes / 2) return
    this.#held = false
    this.#link.release()
  }
}

import { Chunk } from './chunk.ts'
import type { ChunkOwner, Member } from './chunk.ts'
import type { Form } from './form.ts'
import type { Hub } from './hub.ts'
import type { NodeState } from './node-state.ts'

/** Chunks that are looked at for room, newest first; beyond them a new one is made. */
const looked = 16

/** Receivers of one channel to whom the same bytes go, in chunks. */
export class Audience implements ChunkOwner {
  readonly #state: NodeState
  readonly #hub: Hub
  readonly #form: Form
  readonly #chunks: Chunk[] = []

  constructor(state: NodeState, hub: Hub, form: Form) {
    this.#state = state
    this.#hub = hub
    this.#form = form
  }

  /** For one that stands at the head. */
  join(member: Member, lastOffset: number | null): Chunk {
    const chunk = this.#withRoom() ?? this.#newChunk()
    chunk.join(member, lastOffset)
    return chunk
  }

  /** Its last member has left. */
  ended(chunk: Chunk): void {
    this.#chunks.splice(this.#chunks.indexOf(chunk), 1)
    if (this.#chunks.length === 0) this.#hub.audienceEnded(this.#form.key)
  }

  #withRoom(): Chunk | undefined {
    const least = Math.max(0, this.#chunks.length - looked)
    for (let i = this.#chunks.length - 1; i >= least; i--) {
      const chunk = this.#chunks[i]
      if (chunk?.hasRoom === true) return chunk
    }
    return undefined
  }

  #newChunk(): Chunk {
    const chunk = new Chunk(this.#state, this.#hub, this.#form, this)
    this.#chunks.push(chunk)
    return chunk
  }
}

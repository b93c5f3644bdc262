import type { Since } from '@fanfare/wire'
import type { Form } from './form.ts'

export type { Since } from '@fanfare/wire'

export interface ReceiveRequest {
  /** At least one; names are valid, each once. A channel begins at the later of its own `since` and the common one: where there is none in common, that is `earliest`. */
  readonly channels: readonly { readonly channel: string; readonly since?: Since }[]
  readonly since: Since
  readonly form: Form
  /** How far it goes: to the head (poll), to its first publications or gap (long poll), or without end. */
  readonly reach: 'head' | 'first' | 'endless'
  /** Most publications of an answer and most of their bytes; a run may stop short of it. Only where the reach has an end. */
  readonly most?: { readonly publications: number; readonly bytes: number }
  readonly onGap: 'continue' | 'latest' | 'stop'
}

import { fanfareV1 } from './fanfare-v1.ts'
import type { Protocol } from './protocol.ts'

/** The protocols of `/connect`, the one for clients that offer none first. One line each. */
export const protocols: readonly Protocol[] = [fanfareV1]

import type { FanfareError } from '@fanfare/wire'

/** What a close frame says: the code first, so that programs can read it; cut to its 123 bytes by the transport. */
export function closeReason(error: FanfareError): string {
  return `${error.code}: ${error.message}`
}

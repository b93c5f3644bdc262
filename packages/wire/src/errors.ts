interface ErrorRow {
  /** HTTP status; on a WebSocket the close code is 4000 + status. */
  readonly status: number
  readonly title: string
  /** May the same request succeed later? */
  readonly retry: boolean
}

/** The one table of errors: problem documents (RFC 9457), error replies of `fanfare.v1` and close codes take from it. */
export const errors = {
  'address-unknown': { status: 404, title: 'There is nothing at this address', retry: false },
  'already-subscribed': { status: 409, title: 'This connection follows the channel already', retry: false },
  'body-too-large': { status: 413, title: 'The body is larger than allowed', retry: false },
  'channel-name-invalid': { status: 400, title: 'The channel name is not allowed', retry: false },
  'channel-reserved': { status: 403, title: 'The channel is reserved for Fanfare', retry: false },
  'channels-full': { status: 507, title: 'The store holds as many channels as it may', retry: true },
  'channels-per-connection': { status: 429, title: 'The connection follows as many channels as it may', retry: false },
  'command-invalid': { status: 400, title: 'The command is not well-formed', retry: false },
  'command-unknown': { status: 400, title: 'There is no such command', retry: false },
  'cursor-invalid': { status: 400, title: 'The cursor is none', retry: false },
  draining: { status: 503, title: 'The server is going down', retry: true },
  'event-name-invalid': { status: 400, title: 'The event name is not allowed', retry: false },
  gap: { status: 410, title: 'The place can not be continued without a gap', retry: false },
  'headers-too-large': { status: 431, title: 'The header fields are larger than allowed', retry: false },
  'host-refused': { status: 403, title: 'The server does not answer for this host', retry: false },
  'idempotency-conflict': { status: 409, title: 'The idempotency key was used for something else', retry: false },
  'idempotency-full': { status: 429, title: 'The store remembers as many idempotency keys as it may', retry: true },
  internal: { status: 500, title: 'Something went wrong inside', retry: true },
  'media-type-unsupported': { status: 415, title: 'The media type or charset is not supported', retry: false },
  'method-not-allowed': { status: 405, title: 'The address does not answer to this method', retry: false },
  'not-available': { status: 501, title: 'This is not built yet', retry: false },
  'not-subscribed': { status: 409, title: 'This connection does not follow the channel', retry: false },
  'origin-refused': { status: 403, title: 'The origin is not on the list', retry: false },
  overloaded: { status: 503, title: 'Too much is waiting to be committed', retry: true },
  'parameter-invalid': { status: 400, title: 'A parameter is not allowed', retry: false },
  'payload-malformed': { status: 400, title: 'The payload is not what its media type says', retry: false },
  'payload-too-large': { status: 413, title: 'The payload is larger than the channel allows', retry: false },
  'request-malformed': { status: 400, title: 'The request is not well-formed', retry: false },
  'request-timeout': { status: 408, title: 'The request did not arrive in time', retry: true },
  'storage-failed': { status: 503, title: 'The store could not write; nothing is acknowledged until a restart', retry: true },
  'storage-full': { status: 507, title: 'There is no space for more', retry: true },
  'transport-disabled': { status: 403, title: 'The transport is switched off', retry: false },
  'transport-unknown': { status: 400, title: 'There is no such transport', retry: false },
  'upgrade-invalid': { status: 400, title: 'The upgrade is not well-formed', retry: false },
  'upgrade-required': { status: 426, title: 'The address answers to WebSocket only', retry: false },
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

/** An error that a user may see: a row of the table, and what was wrong this time. */
export class FanfareError extends Error {
  readonly code: ErrorCode
  /** Extra members of the problem document, such as `index` or `gap`. */
  readonly extra: Readonly<Record<string, unknown>>

  constructor(code: ErrorCode, detail: string, options: { cause?: unknown; extra?: Record<string, unknown> } = {}) {
    super(detail, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'FanfareError'
    this.code = code
    this.extra = options.extra ?? {}
  }

  get status(): number {
    return errors[this.code].status
  }

  get title(): string {
    return errors[this.code].title
  }

  get retry(): boolean {
    return errors[this.code].retry
  }
}

/**
 * What goes wrong, on transports that have no status to say it with: `{"error":{…}}`, the last that a receiver is told. `afterMs`: come again after so
 * many milliseconds.
 */
export function errorMessage(error: FanfareError, afterMs?: number): string {
  const { status, code, message, retry, extra } = error
  const after = afterMs === undefined ? {} : { after: Math.trunc(afterMs) }
  return JSON.stringify({ error: { status, code, message, retry, ...after, ...extra } })
}

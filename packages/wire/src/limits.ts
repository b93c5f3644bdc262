const KiB = 1024
const MiB = 1024 * KiB
const second = 1000
const minute = 60 * second
const hour = 60 * minute

/**
 * Everything that can grow has its limit here, with what happens there. Names are those of the configuration's `limits`;
 * the unit comes last. CONTRACT section 9.
 */
export const limits = {
  /** 400 `channel-name-invalid`. */
  channelNameBytes: 255,
  /** 400 `event-name-invalid`. */
  eventNameBytes: 255,
  /** 400 `parameter-invalid`: `id`, `type` and idempotency keys. */
  headerValueBytes: 255,
  /** 413 `payload-too-large`; a rule may set its own. */
  payloadBytes: 64 * KiB,
  /** 413 `body-too-large`. */
  batchBytes: 4 * MiB,
  /** 413 `body-too-large`. */
  batchItems: 10_000,
  /** 503 `overloaded`: publishes that wait for their commit. */
  commitWaitingBytes: 64 * MiB,
  /** 507 `channels-full`. */
  channels: 1_000_000,
  /** 7 days after the last of it was trimmed or deleted; an older cursor then gets `trimmed`. */
  channelForgetMs: 7 * 24 * hour,
  /** 429 `idempotency-full`: never a silently shorter window. */
  idempotencyKeys: 1_000_000,
  /** After it, a repeat is a new publication. */
  idempotencyWindowMs: 5 * minute,
  /** 400 `parameter-invalid`. */
  channelsPerResponse: 64,
  /** Error `channels-per-connection`. */
  channelsPerConnection: 1_000,
  /** Largest `limit` of a poll, and its default. */
  pollPublications: 1_000,
  /** A poll's answer ends before it grows over this (`more`). */
  pollBytes: MiB,
  /** A longer wait counts as this. */
  pollWaitMs: minute,
  /** Idle SSE and stream receivers hear something this often. */
  heartbeatMs: 15 * second,
  /** Idle WebSocket connections are pinged this often. */
  pingMs: 25 * second,
  /** What waits for one socket; over it the receiver is parked on its cursor. */
  socketWaitingBytes: 64 * KiB,
  /** What waits for all sockets; over it receivers are parked at every write. */
  socketsWaitingBytes: 256 * MiB,
  /** A receiver whose socket takes nothing for so long is closed; its cursor continues. */
  socketStalledMs: 30 * second,
  /** Pages of all channels in memory, encoded forms counted; the least recently used goes first. */
  pagesBytes: 64 * MiB,
  /** 503 `overloaded`: different callbacks and origins of frames that are open, for each of which every publication is encoded. */
  frameTargets: 100,
  /** 408, and the socket is destroyed. Over TLS the handshake has so long too. */
  headersMs: 5 * second,
  /** TLS handshakes under way; over it the oldest is closed. */
  handshakes: 1_000,
  /** 408, and the socket is destroyed. */
  bodyMs: 10 * second,
  /** 431 from the HTTP parser. */
  headersBytes: 16 * KiB,
  /** 400 `payload-malformed`: levels of a payload. */
  jsonDepth: 512,
  /** 400 `payload-malformed`, or close 4400: levels of what holds payloads, such as a batch or a frame. */
  jsonScanDepth: 10_000,
  /** 400 `payload-malformed` or `command-invalid`: members of an object that Fanfare itself reads; a payload's may be more. */
  jsonMembers: 1_000,
  /** Close 4400: commands in one frame of `fanfare.v1`. */
  frameCommands: 1_000,
  /** A receiver's parser gives up at longer lines or events of SSE. */
  sseEventBytes: 8 * MiB,
  /** Clean end: what still runs then is cut. */
  drainMs: 30 * second,
  /** Frames of `fanfare.v1` and of a plain WebSocket: the payload's limit counts as well. */
  frameBytes: MiB,
  /** 256 MiB for the memory engine; then 507 `storage-full`. */
  memoryStoreBytes: 256 * MiB,
} as const

export type LimitName = keyof typeof limits
export type Limits = { readonly [Name in LimitName]: number }

/** Constants of the wire: its parsers know no configuration, so these are refused in one. */
export const fixedLimits: readonly LimitName[] = [
  'channelNameBytes',
  'eventNameBytes',
  'headerValueBytes',
  'jsonDepth',
  'jsonScanDepth',
  'jsonMembers',
  'frameCommands',
  'sseEventBytes',
]

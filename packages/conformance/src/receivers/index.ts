import { fanfareV1Receiver } from './fanfare-v1.ts'
import { iframeReceiver } from './iframe.ts'
import { heldJsonpReceiver, jsonpReceiver } from './jsonp.ts'
import { multipartEnvelopeReceiver, multipartReceiver } from './multipart.ts'
import { longPollReceiver, pollReceiver } from './poll.ts'
import type { ReceiverRow } from './receiver.ts'
import { sseEnvelopeReceiver, sseReceiver } from './sse.ts'
import { streamReceiver } from './stream.ts'
import { websocketEnvelopeReceiver, websocketReceiver } from './websocket.ts'

/** The registry: a new transport or protocol is a line here. */
export const receivers: readonly ReceiverRow[] = [
  pollReceiver,
  longPollReceiver,
  sseReceiver,
  sseEnvelopeReceiver,
  websocketReceiver,
  websocketEnvelopeReceiver,
  fanfareV1Receiver,
  streamReceiver,
  multipartReceiver,
  multipartEnvelopeReceiver,
  iframeReceiver,
  jsonpReceiver,
  heldJsonpReceiver,
]

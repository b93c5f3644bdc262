import {
  beginChunk,
  ByteWriter,
  endChunk,
  writeEnvelope,
  writeEnvelopePart,
  writeNdjsonPublication,
  writePayloadPart,
  writePollEntry,
  writeScript,
  writeSseEvent,
} from '@fanfare/wire'
import type { Publication, ScriptFrame } from '@fanfare/wire'
import type { Form, FormContext } from '../core/form.ts'
import type { Framing } from './protocol.ts'

// Forms of one key are one object.
const made = new Map<string, Form>()

function once(key: string, encode: Form['encode']): Form {
  const known = made.get(key)
  if (known !== undefined) return known
  const form = { key, encode }
  made.set(key, form)
  return form
}

/** Events of SSE with the payload or the envelope; `chunked` where the body goes in chunks of HTTP/1.1. */
export function sseForm(envelope: boolean, chunked: boolean): Form {
  const encode = envelope ? sseEnvelope : ssePayload
  return once(`sse/${envelope ? 'envelope' : 'payload'}/${kind(chunked)}`, chunked ? inChunks(encode) : encode)
}

/** Lines of NDJSON, always with the envelope. */
export function lineForm(chunked: boolean): Form {
  return once(`line/${kind(chunked)}`, chunked ? inChunks(line) : line)
}

/** Parts of `multipart/mixed` with the payload or the envelope. */
export function partForm(envelope: boolean, chunked: boolean): Form {
  const encode = envelope ? envelopePart : payloadPart
  return once(`part/${envelope ? 'envelope' : 'payload'}/${kind(chunked)}`, chunked ? inChunks(encode) : encode)
}

/** Script elements. Clients choose what is in the frame, so that the form is kept by who asks for it and not here; the frame is in its key. */
export function scriptForm(frame: ScriptFrame, chunked: boolean): Form {
  const encode: Form['encode'] = (out, publication, context) => writeScript(out, frame, envelopeOf(publication, context))
  return { key: `script/${frame.head}/${frame.tail}/${kind(chunked)}`, encode: chunked ? inChunks(encode) : encode }
}

/** Messages of a two-way link with the payload or the envelope. */
export function messageForm(envelope: boolean, framing: Framing): Form {
  return once(`${framing.key}/${envelope ? 'envelope' : 'payload'}`, envelope ? messageEnvelope(framing) : messagePayload(framing))
}

/** Entries of a poll's answer, each with its comma. */
export const entryForm: Form = once('entry', (out, publication, context) =>
  writePollEntry(out, publication, context.channelJson, context.cursor),
)

/** The forms of the protocol `plain` as transports take them: the payload itself, or the publication as JSON. */
export interface PlainForms {
  readonly sse: typeof sseForm
  readonly line: typeof lineForm
  readonly part: typeof partForm
  readonly script: typeof scriptForm
  readonly message: typeof messageForm
  readonly entry: Form
}

export const plainForms: PlainForms = {
  sse: sseForm,
  line: lineForm,
  part: partForm,
  script: scriptForm,
  message: messageForm,
  entry: entryForm,
}

function kind(chunked: boolean): string {
  return chunked ? 'chunked' : 'bare'
}

function line(out: ByteWriter, publication: Publication, context: FormContext): void {
  writeNdjsonPublication(out, publication, context.channelJson, context.cursor)
}

function payloadPart(out: ByteWriter, publication: Publication, context: FormContext): void {
  writePayloadPart(out, publication, context.cursor)
}

function envelopePart(out: ByteWriter, publication: Publication, context: FormContext): void {
  writeEnvelopePart(out, publication, context.channelJson, context.cursor)
}

function ssePayload(out: ByteWriter, publication: Publication, context: FormContext): void {
  const { event, data, format } = publication
  writeSseEvent(out, { id: context.cursor, event, data, format })
}

function sseEnvelope(out: ByteWriter, publication: Publication, context: FormContext): void {
  const data = envelopeOf(publication, context)
  writeSseEvent(out, { id: context.cursor, event: publication.event, data, format: 'json' })
}

function inChunks(encode: Form['encode']): Form['encode'] {
  return (out, publication, context) => {
    const begun = beginChunk(out)
    encode(out, publication, context)
    endChunk(out, begun)
  }
}

function messagePayload(framing: Framing): Form['encode'] {
  return (out, { format, data }) => (format === 'bytes' ? framing.binary(out, data) : framing.text(out, data))
}

function messageEnvelope(framing: Framing): Form['encode'] {
  return (out, publication, context) => framing.text(out, envelopeOf(publication, context))
}

// A frame's length stands before it, so the envelope is written aside first. Encoding is one synchronous run, so all forms share it.
const aside = new ByteWriter(4096)

function envelopeOf(publication: Publication, context: FormContext): Uint8Array {
  aside.clear()
  writeEnvelope(aside, publication, context.channelJson, context.cursor)
  return aside.view()
}

import { ByteWriter } from './byte-writer.ts'
import type { Problem } from './problem.ts'
import { problemOf } from './problem.ts'
import { encodeUtf8 } from './utf8.ts'

/** Name of a function that a script calls: an identifier, or several with dots. */
export function callbackProblem(name: string): Problem | undefined {
  return /^[A-Za-z_$][\w$.]{0,63}$/.test(name) ? undefined : problemOf('parameter-invalid', 'callback is a name of JavaScript')
}

/** What a script calls: a function of the page around it, or `postMessage` to a page of another origin. */
export type ScriptTarget = { readonly callback: string } | { readonly origin: string }

/** What stands before and after the JSON of each script element. */
export interface ScriptFrame {
  readonly head: string
  readonly tail: string
}

/** A script element that hands its JSON to the page that holds the frame. */
export function scriptFrame(nonce: string, target: ScriptTarget): ScriptFrame {
  const open = `<script nonce="${nonce}">`
  const close = ')</script>\n'
  if ('callback' in target) return { head: `${open}parent.${target.callback}(`, tail: close }
  return { head: `${open}parent.postMessage(`, tail: `,${escaped(JSON.stringify(target.origin))}${close}` }
}

export function writeScript(out: ByteWriter, frame: ScriptFrame, json: Uint8Array): void {
  out.utf8(frame.head)
  writeScriptJson(out, json)
  out.utf8(frame.tail)
}

const paddingBytes = 2048

/** The begin of a document that has no end. Browsers show nothing, and run nothing, of the first bytes: so many spaces are in them. */
export function writeScriptPage(out: ByteWriter): void {
  out.ascii('<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>Fanfare</title></head><body>\n')
  out.ascii(' '.repeat(paddingBytes))
  out.byte(0x0a)
}

/** JSON as an expression of JavaScript; see `writeScriptJson`. */
export function scriptJson(json: Uint8Array): Uint8Array {
  const out = new ByteWriter(json.length + 64)
  writeScriptJson(out, json)
  return out.slice()
}

/** What stands around such an expression to be a call of the callback. It begins with a comment: the first bytes are never the caller's, who could make another kind of file of them. */
export function jsonpFrame(callback: string): ScriptFrame {
  return { head: `/**/${callback}(`, tail: ')' }
}

const quote = 0x22
const backslash = 0x5c

/** Bytes at which a run of plain ones ends: what HTML or old scripts would read, quotes, and the first byte of U+2028 and U+2029. */
const special = Uint8Array.from({ length: 256 }, (_, byte) => ('"<>&\''.includes(String.fromCharCode(byte)) || byte === 0xe2 ? 1 : 0))

/**
 * Writes well-formed JSON as an expression of JavaScript that holds nothing which could end its script, be markup, or mean anything else: `< > & '` and
 * U+2028, U+2029, which stand in strings only, as `\uXXXX`; and the name `__proto__` in brackets, for as a plain name it would set the prototype (ECMA-262,
 * section B.3.1), and twice it would be an error of syntax.
 */
export function writeScriptJson(out: ByteWriter, json: Uint8Array): void {
  let from = 0
  let opened = -1
  for (let at = 0; at < json.length; at++) {
    const byte = json[at] ?? 0
    if (byte === backslash) at++
    else if (special[byte] === 1) {
      if (byte === quote) {
        if (opened < 0) opened = at
        else {
          if (isPrototypeName(json, opened, at)) from = writeInBrackets(out, json, from, opened, at)
          opened = -1
        }
        continue
      }
      const escape = escapeAt(json, at)
      if (escape === undefined) continue
      if (from < at) out.raw(json.subarray(from, at))
      out.raw(escape)
      if (byte === 0xe2) at += 2
      from = at + 1
    }
  }
  out.raw(from === 0 ? json : json.subarray(from))
}

/** By the byte, or the last of three. */
const escapes: ReadonlyMap<number, Uint8Array> = new Map(
  [0x3c, 0x3e, 0x26, 0x27, 0x2028, 0x2029].map((code) => [
    code < 0x80 ? code : 0x80 + (code & 0x7f),
    encodeUtf8(`\\u${code.toString(16).padStart(4, '0')}`),
  ]),
)

function escapeAt(json: Uint8Array, at: number): Uint8Array | undefined {
  const byte = json[at] ?? 0
  if (byte !== 0xe2) return escapes.get(byte)
  const last = json[at + 2] ?? 0
  return json[at + 1] === 0x80 && (last === 0xa8 || last === 0xa9) ? escapes.get(last) : undefined
}

const prototypeName = '__proto__'
const shortestName = prototypeName.length
/** Each of its characters as an escape. */
const longestName = prototypeName.length * 6

/** The string between the quotes at `opened` and `closed` is a member's name, and means `__proto__`, however it is written. */
function isPrototypeName(json: Uint8Array, opened: number, closed: number): boolean {
  const length = closed - opened - 1
  if (length < shortestName || length > longestName) return false
  let name = ''
  for (let at = opened; at <= closed; at++) name += String.fromCharCode(json[at] ?? 0)
  if (length > shortestName ? !name.includes('\\u') || JSON.parse(name) !== prototypeName : name !== `"${prototypeName}"`) return false
  let next = closed + 1
  while (json[next] === 0x20 || json[next] === 0x09 || json[next] === 0x0a || json[next] === 0x0d) next++
  return json[next] === 0x3a
}

/** Writes what was not written yet, and the name in brackets. Returns from where the rest is to be written. */
function writeInBrackets(out: ByteWriter, json: Uint8Array, from: number, opened: number, closed: number): number {
  out.raw(json.subarray(from, opened))
  out.byte(0x5b)
  out.raw(json.subarray(opened, closed + 1))
  out.byte(0x5d)
  return closed + 1
}

function escaped(json: string): string {
  const out = new ByteWriter(json.length * 2)
  writeScriptJson(out, encodeUtf8(json))
  return String.fromCharCode(...out.slice())
}

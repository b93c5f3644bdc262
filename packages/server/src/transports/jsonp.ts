import { encodeUtf8, errorMessage, jsonpFrame, scriptJson } from '@fanfare/wire'
import type { ScriptFrame } from '@fanfare/wire'
import { answerPoll } from './poll.ts'
import type { Ground, Question, Refusing, Transport } from './transport.ts'

/** A poll's answer as a call of JavaScript, for pages that may load scripts only. With a wait it is held as a long poll is. */
export function jsonp(ground: Ground): Transport {
  return {
    name: 'jsonp',
    script: true,
    receive(call) {
      const { question } = call
      const waitMs = Math.min(question.waitMs ?? 0, ground.limits.pollWaitMs)
      answerPoll(ground, call, { transport: 'jsonp', type, frame: frameOf(question) }, waitMs)
    },
    refuse: (refusing) => refuseJsonp(ground, refusing),
  }
}

const type = 'application/javascript; charset=utf-8'

/** A script can't see another status than 200, nor the body that comes with it. */
function refuseJsonp(ground: Ground, { res, question, headers, error, afterMs }: Refusing): boolean {
  const { head, tail } = frameOf(question)
  const body = Buffer.concat([
    encodeUtf8(head),
    scriptJson(encodeUtf8(errorMessage(error, error.retry ? afterMs : undefined))),
    encodeUtf8(tail),
  ])
  if (ground.held.leaving) res.shouldKeepAlive = false
  res.writeHead(200, [...headers, 'Content-Type', type, 'Content-Length', String(body.length), 'Cache-Control', 'no-store'])
  res.end(body)
  return true
}

function frameOf({ callback = 'callback' }: Question): ScriptFrame {
  return jsonpFrame(callback)
}

// An Express application that pushes: who posts an order gets its place in the log, and every open page gets the order.
import express from 'express'
import { fileURLToPath } from 'node:url'
import { createServer } from '@fanfare/server'

// In memory, so that trying it leaves nothing behind; without `engine` orders are kept in ./fanfare-data, and pages go on after a restart.
const fanfare = await createServer({ engine: 'memory' })

const app = express()
app.use(express.json())
app.use(express.static(fileURLToPath(new URL('public', import.meta.url))))

app.post('/orders', async (req, res) => {
  const { item, count } = req.body ?? {}
  if (typeof item !== 'string' || item === '' || !Number.isInteger(count))
    return res.status(400).json({ error: 'an order has an item and a count' })
  // When this resolves it has its place, for all receivers the same.
  const { offset, cursor } = await fanfare.publish('orders', { item, count })
  res.status(201).json({ offset, cursor })
})

const http = app.listen(Number(process.env.PORT ?? 3000), '127.0.0.1', (error) => {
  if (error) throw error
  console.log(`http://127.0.0.1:${http.address().port}`)
})
// All addresses of Fanfare are below /push; everything else stays Express's.
fanfare.attach(http, { prefix: '/push' })

async function end() {
  // First, so that pages are told to come again; else their streams would keep the application's server open.
  await fanfare.close()
  http.close()
}
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void end())

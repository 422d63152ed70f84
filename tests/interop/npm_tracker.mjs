// One bittorrent-tracker of npm, driven by the interop harness.
//
//     npm_tracker.mjs MODULES IPV4 PORT INFO_HASH
//
// Takes announces and scrapes of one swarm over UDP and HTTP, on a port of IPV4 and on the same of ::1, and
// refuses those of others. MODULES is the folder in which npm has put its packages.
//
// Prints one JSON object a line, the kind under "event":
//
//     listening   everywhere
//     announce    by (udp or http), kind (start, update, complete, stop), peer, left
//     warning     message: who sent nonsense, or was refused
//
// Ends with the end of its stdin, so that it never outlives the harness.

import { createServer } from 'node:http'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [modules, ipv4, portText, infoHash] = process.argv.slice(2)
const port = Number(portText)
const { default: Server } = await import(pathToFileURL(join(modules, 'bittorrent-tracker/server.js')))

const say = (event, fields) => console.log(JSON.stringify({ event, ...fields }))
const fail = error => {
  console.error(error.message)
  process.exit(1)
}

const tracker = new Server({
  ws: false,
  stats: false,
  filter: (asked, _, decide) => decide(asked === infoHash ? null : new Error('not one of mine'))
})
tracker.on('error', fail)
tracker.on('warning', error => say('warning', { message: error.message }))
for (const kind of ['start', 'update', 'complete', 'stop']) {
  tracker.on(kind, (peer, { type, left }) => say('announce', { by: type, kind, peer, left }))
}

// It listens for UDP on an address of each family, and for HTTP on one alone.
const http6 = createServer((request, response) => tracker.onHttpRequest(request, response))
http6.on('error', fail)
http6.listen(port, '::1', () => {
  tracker.listen(port, { http: ipv4, udp: ipv4, udp6: '::1' }, () => say('listening'))
})

process.stdin.on('end', () => process.exit(0)).resume()

// TLS in front of a server that has none, as operators put it there; driven by the interop harness.
//
//     tls_front.mjs KEY CERTIFICATE IP PORT SERVER_IP SERVER_PORT
//
// Prints {"event":"listening"} once it does. Ends with the end of its stdin, so that it never outlives the harness.

import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { pipeline } from 'node:stream'
import { createServer } from 'node:tls'

const [key, certificate, ip, port, serverIp, serverPort] = process.argv.slice(2)
const identity = { key: readFileSync(key), cert: readFileSync(certificate) }

const front = createServer(identity, outside => {
  const inside = connect(Number(serverPort), serverIp)
  // Whoever ends or fails first takes the other along.
  pipeline(outside, inside, outside, () => {})
})
front.on('error', error => {
  console.error(error.message)
  process.exit(1)
})
front.on('tlsClientError', error => console.error(error.message))
front.listen(Number(port), ip, () => console.log(JSON.stringify({ event: 'listening' })))

process.stdin.on('end', () => process.exit(0)).resume()

// node ws.mjs PORT: npm's ws with the two control texts of the benchmark.
import { createRequire } from 'node:module';

const { WebSocketServer } = createRequire(`${process.env.BENCH_WORK}/node/`)('ws');
const peers = new Map();
const server = new WebSocketServer({ port: Number(process.argv[2]), host: '127.0.0.1', perMessageDeflate: false });
server.on('connection', (socket, request) => {
  const id = request.url.split('id=')[1];
  peers.set(id, socket);
  socket.on('close', () => peers.delete(id));
  socket.on('message', (data) => {
    const text = data.toString();
    if (text[0] === 'b') {
      const payload = text.slice(1);
      for (const peer of peers.values()) peer.send(payload);
    } else if (text[0] === 't') {
      const space = text.indexOf(' ');
      peers.get(text.slice(1, space))?.send(text.slice(space + 1));
    }
  });
});

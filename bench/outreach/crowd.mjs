// A mailbox of very many mails in front of the emulator of the tests, which looks through all its mails for each call and so
// cannot hold them: mails and threads of one counterpart are made up here, everything else is the emulator's. Keeps a log
// of all calls. `node crowd.mjs <emulator> <mails> <octets of a text> <mailbox> <counterpart>`; says `ready <url>`.
import http from 'node:http';

const [emulator, mails, size, mailbox, counterpart] = process.argv.slice(2);
const MAILS = Number(mails), ABREAST = 4, BEGIN = Date.UTC(2024, 0, 1), API = '/gmail/v1/users/me/';
const filler = 'The quick brown goose carries letters over the mountains. '.repeat(Math.ceil(Number(size) / 57));
const log = [];

const message = (n, format) => {
  const thread = Math.floor(n / ABREAST), before = n % ABREAST;
  const id = (n) => `<crowd-${n}@example.com>`, at = BEGIN + n * 60_000;
  const headers = [['From', before % 2 ? `Brand <${mailbox}>` : `Creator One <${counterpart}>`], ['To', before % 2 ? counterpart : mailbox],
    ['Subject', `${before ? 'Re: ' : ''}Matter ${thread}`], ['Message-ID', id(n)], ['Date', new Date(at).toUTCString()],
    ...(before ? [['In-Reply-To', id(n - 1)], ['References', id(n - 1)]] : [])];
  const labels = before % 2 ? ['SENT'] : ['INBOX'];
  const raw = [...headers.map(([name, value]) => `${name}: ${value}`), 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', '',
    `Number ${n}. ${filler}`].join('\r\n');
  const all = { id: `crowd${n}`, threadId: `crowd_t${thread}`, labelIds: labels, historyId: '1', internalDate: String(at), sizeEstimate: raw.length, snippet: '' };
  if (format === 'raw') all.raw = Buffer.from(raw).toString('base64url');
  if (format === 'metadata') all.payload = { mimeType: 'text/plain', headers: headers.map(([name, value]) => ({ name, value })) };
  return all;
};
const list = (query) => {
  const q = query.get('q') ?? '', most = Math.min(Number(query.get('maxResults') ?? 100), 500);
  const total = q.includes(`from:${counterpart}`) && !q.includes('larger:') ? MAILS : 0;
  const from = Number(query.get('pageToken') ?? 0), to = Math.min(from + most, total);
  // The newest first, as Gmail lists.
  const messages = Array.from({ length: Math.max(to - from, 0) }, (_, i) => MAILS - 1 - from - i).map((n) => ({ id: `crowd${n}`, threadId: `crowd_t${Math.floor(n / ABREAST)}` }));
  return { messages, resultSizeEstimate: total, ...(to < total ? { nextPageToken: String(to) } : {}) };
};
const own = (url) => {
  const path = url.pathname.startsWith(API) ? url.pathname.slice(API.length) : '';
  const [, of, n] = /^(messages|threads)\/crowd(?:_t)?(\d+)$/.exec(path) ?? [];
  if (path === 'messages') return list(url.searchParams);
  if (of === 'messages') return message(Number(n), url.searchParams.get('format') ?? 'full');
  if (of === 'threads') {
    const first = Number(n) * ABREAST, count = Math.min(ABREAST, MAILS - first);
    return { id: `crowd_t${n}`, historyId: '1', messages: Array.from({ length: count }, (_, i) => message(first + i, 'minimal')) };
  }
  return null;
};

const server = http.createServer((req, res) => {
  const url = new URL(req.url, 'http://localhost');
  if (url.pathname === '/_log') return res.end(JSON.stringify(log));
  const entry = { at: Date.now(), path: url.pathname.replace('/gmail/v1/users/me', ''), status: 0 };
  log.push(entry);
  const made = req.method === 'GET' ? own(url) : null;
  if (made) {
    entry.status = 200;
    return res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(made));
  }
  const on = http.request(`${emulator}${req.url}`, { method: req.method, headers: req.headers }, (answer) => {
    entry.status = answer.statusCode;
    res.writeHead(answer.statusCode, answer.headers);
    answer.pipe(res);
  });
  on.on('error', () => res.destroy());
  req.pipe(on);
});
server.listen(0, '127.0.0.1', () => console.log(`ready http://127.0.0.1:${server.address().port}`));

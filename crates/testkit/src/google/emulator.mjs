// Google for tests, on loopback: OAuth, Gmail, and Pub/Sub's pushes. `@emulators/google` (Apache-2.0) in this process, behind
// a front that closes its gaps against the real service; `testkit::google::Emulator` starts and drives it (`/_ctl/...`).
// Our own code; nothing copied.
//
// Environment: SEED (JSON: users, oauth_clients, messages), NOW (ms since the epoch; otherwise the machine's clock).
// Ends with its standard input.
import http from 'node:http';
import crypto from 'node:crypto';
import { createServer } from '@emulators/core';
import { googlePlugin, seedFromConfig } from '@emulators/google';

// The machine's clock, or one that the test sets and that moves a millisecond with each call, so that what comes later is
// later. Everything below and in the package reads it.
const RealDate = Date;
let stands = process.env.NOW ? Number(process.env.NOW) : null;
globalThis.Date = class extends RealDate {
  constructor(...args) { if (args.length) super(...args); else super(Date.now()); }
  static now() { return stands ?? RealDate.now(); }
};

const HOST = '127.0.0.1', SEED = JSON.parse(process.env.SEED);
let PORT, BASE;
const cfg = {
  pushUrl: null,                                       // where auto-pushes go (null = none)
  pushAud: 'aud',                                      // JWT aud
  pushEmail: 'pusher@test.iam.gserviceaccount.com',
  subscription: 'projects/test/subscriptions/gmail-push',
  pushRetries: 5, tokenTtl: 3600,
  deliver: true,                                       // hand sent mail to other seeded users
  strip: [],                                           // header fields that are lost on the way to other seeded users
  rewriteMsgId: false,                                 // replace Message-ID, keep the old one in X-Google-Original-Message-ID
  pageSize: 500,                                       // the longest page of messages and history
  indexLag: false,                                     // rfc822msgid: finds nothing, as for fresh mail
};
const { publicKey, privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const PUSH_JWK = { ...publicKey.export({ format: 'jwk' }), kid: 'push-1', alg: 'RS256', use: 'sig' };
const b64u = (x) => Buffer.from(x).toString('base64url');
const signJwt = (claims, key = privateKey) => {
  const head = b64u(JSON.stringify({ alg: 'RS256', kid: 'push-1', typ: 'JWT' })), body = b64u(JSON.stringify(claims));
  return `${head}.${body}.${crypto.sign('RSA-SHA256', Buffer.from(`${head}.${body}`), key).toString('base64url')}`;
};

// history ids come out 21 digits long (> u64); shift them by a constant so they fit and keep their order
const HBASE = BigInt(Date.now() - 86_400_000) * 100_000_000n;
const down = (id) => (BigInt(id) > HBASE ? (BigInt(id) - HBASE).toString() : String(id));
const up = (id) => (BigInt(id) + HBASE).toString();

let em, watches, floors, access, codes, grants, faults, log, pushSeq, lastHist, authReq, pushLog;
function boot() {
  em = createServer(googlePlugin, { port: PORT, baseUrl: BASE });   // no fallback user: unknown token => 401
  seedFromConfig(em.store, BASE, SEED);
  for (const u of SEED.users) em.tokenMap.set(`_internal:${u.email}`, { login: u.email, id: 0, scopes: [] });
  watches = new Map(); floors = new Map(); access = new Map(); codes = new Map(); grants = new Set();
  faults = []; log = []; pushSeq = 1000; lastHist = new Map(); authReq = new Map(); pushLog = [];
}

// The package refuses a token after 5,000 calls in an hour, which Google does not: it then goes by another name.
const used = new Map();
const renamed = (auth) => {
  const token = auth.replace(/^Bearer\s+/i, ''), owner = em.tokenMap.get(token), calls = (used.get(token) ?? 0) + 1;
  used.set(token, calls);
  if (!owner || calls < 4000) return auth;
  const name = `${token}~${Math.floor(calls / 4000)}`;
  em.tokenMap.set(name, owner);
  return `Bearer ${name}`;
};
const inner = async (method, path, { auth, json, body, headers } = {}) => {
  const r = await em.app.fetch(new Request(BASE + path, {
    method, redirect: 'manual', headers: { ...(auth ? { authorization: renamed(auth) } : {}), ...(json ? { 'content-type': 'application/json' } : {}), ...headers },
    body: json ? JSON.stringify(json) : body,
  }));
  const text = await r.text();
  let data; try { data = text ? JSON.parse(text) : undefined; } catch { /* html */ }
  return { status: r.status, headers: Object.fromEntries(r.headers), text, data };
};
// {from:a to:a cc:a bcc:a} (any of them) and larger:6M, which the package does not know; what else a search names, it does
const searched = async (email, params) => {
  const q = params.get('q'), any = [...q.matchAll(/\{([^}]*)\}/g)].map((m) => m[1].trim().toLowerCase().split(/\s+/));
  const larger = [...q.matchAll(/larger:(\d+)([km]?)/gi)].map((m) => Number(m[1]) * { '': 1, k: 1024, m: 1048576 }[m[2].toLowerCase()]);
  const rest = q.replace(/\{[^}]*\}|larger:\w+/gi, ' ').trim();
  let all = em.store.collection('google.messages', ['gmail_id', 'thread_id', 'user_email']).findBy('user_email', email);
  if (params.get('includeSpamTrash') !== 'true') all = all.filter((m) => !m.label_ids.includes('TRASH') && !m.label_ids.includes('SPAM'));
  all = all.filter((m) => params.getAll('labelIds').every((l) => m.label_ids.includes(l)));
  if (rest) {
    const found = new Set();
    for (let page = ''; page !== undefined;) {
      const sub = new URLSearchParams({ q: rest, maxResults: '500', includeSpamTrash: 'true', ...(page ? { pageToken: page } : {}) });
      const r = await inner('GET', `/gmail/v1/users/me/messages?${sub}`, { auth: as(email) });
      for (const m of r.data.messages ?? []) found.add(m.id);
      page = r.data.nextPageToken;
    }
    all = all.filter((m) => found.has(m.gmail_id));
  }
  const fits = (m, term) => { const [field, value] = term.split(/:(.*)/s); return String(m[field] ?? '').toLowerCase().includes(value); };
  all = all.filter((m) => any.every((terms) => terms.some((t) => fits(m, t))) && larger.every((n) => (m.raw?.length ?? 0) * 0.75 > n));
  all.sort((a, b) => Number(b.internal_date) - Number(a.internal_date));
  const from = Number(params.get('pageToken') ?? 0), most = Number(params.get('maxResults'));
  const messages = all.slice(from, from + most).map((m) => ({ id: m.gmail_id, threadId: m.thread_id }));
  return { status: 200, data: { messages, resultSizeEstimate: all.length, ...(from + most < all.length ? { nextPageToken: String(from + most) } : {}) } };
};
const as = (email) => `Bearer _internal:${email}`;
const gErr = (code, message, reason, status) => ({ status: code, data: { error: { code, message, errors: [{ message, domain: 'global', reason }], status } } });
const histOf = async (email) => (await inner('GET', '/gmail/v1/users/me/history?startHistoryId=0', { auth: as(email) })).data.historyId;
const rawOf = async (email, id) => {
  const r = await inner('GET', `/gmail/v1/users/me/messages/${id}?format=raw`, { auth: as(email) });
  return r.data?.raw ? Buffer.from(r.data.raw, 'base64url') : null;
};
const headerList = (raw) => {
  const head = raw.toString('utf8').split(/\r?\n\r?\n/, 1)[0].replace(/\r?\n[ \t]+/g, ' ');
  return head.split(/\r?\n/).map((l) => l.match(/^([^:]+):\s*(.*)$/)).filter(Boolean).map(([, name, value]) => ({ name, value }));
};
// real Gmail returns every header; the emulator keeps ten. Case-insensitive metadataHeaders filter.
async function enrich(email, msg, wanted) {
  if (!msg?.payload) return msg;
  const raw = await rawOf(email, msg.id); if (!raw) return msg;
  let hs = headerList(raw);
  if (wanted.length) hs = hs.filter((h) => wanted.some((w) => w.toLowerCase() === h.name.toLowerCase()));
  msg.payload.headers = hs; return msg;
}
const shrink = (v) => {
  if (Array.isArray(v)) v.forEach(shrink);
  else if (v && typeof v === 'object') for (const k of Object.keys(v)) {
    if ((k === 'historyId' || k === 'id') && typeof v[k] === 'string' && /^\d{20,}$/.test(v[k])) v[k] = down(v[k]); else shrink(v[k]);
  }
  return v;
};

async function push(email, o = {}) {
  const url = o.url ?? cfg.pushUrl; if (!url) return null;
  const historyId = o.historyId ?? down(await histOf(email)), now = Math.floor(Date.now() / 1000);
  const id = String(o.messageId ?? ++pushSeq), data = o.data ?? Buffer.from(JSON.stringify({ emailAddress: email, historyId: o.asString ? String(historyId) : Number(historyId) })).toString('base64');
  const publishTime = new Date().toISOString();
  const body = JSON.stringify({ message: { data, messageId: id, message_id: id, publishTime, publish_time: publishTime, attributes: o.attributes ?? {} }, subscription: o.subscription ?? cfg.subscription });
  const key = o.badSignature ? crypto.generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey : privateKey;
  const jwt = signJwt({ aud: o.aud ?? cfg.pushAud, azp: '1', email: o.saEmail ?? cfg.pushEmail, email_verified: o.emailVerified ?? true, exp: now + (o.expIn ?? 3600), iat: now, iss: o.iss ?? 'https://accounts.google.com', sub: '1' }, key);
  const statuses = [];
  for (let i = 0; i <= (o.retries ?? cfg.pushRetries); i++) {
    let st = 0;
    try { st = (await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json', ...(o.noAuth ? {} : { authorization: `Bearer ${jwt}` }) }, body })).status; } catch { st = -1; }
    statuses.push(st);
    if ([102, 200, 201, 202, 204].includes(st)) break;      // the codes Pub/Sub takes as an ack
    await new Promise((r) => setTimeout(r, Math.min(100 * 2 ** i, 2000)));
  }
  const rec = { email, messageId: id, historyId, statuses }; pushLog.push(rec); return rec;
}
async function changed(email) {                              // auto-push to watched mailboxes
  const h = await histOf(email); if (lastHist.get(email) === h) return; lastHist.set(email, h);
  const w = watches.get(email); if (w && w.exp > Date.now()) push(email);
}
const addrs = (v) => (v ?? '').split(',').map((s) => (s.match(/<([^>]+)>/)?.[1] ?? s).trim().toLowerCase()).filter(Boolean);
async function deliver(from, id) {                           // hand sent mail to other seeded mailboxes
  const raw = await rawOf(from, id); if (!raw) return;
  const hs = headerList(raw), get = (n) => hs.filter((h) => h.name.toLowerCase() === n).map((h) => h.value).join(',');
  let [head, ...rest] = raw.toString('latin1').split('\r\n\r\n');
  for (const name of ['Bcc', ...cfg.strip]) head = (head + '\r\n').replace(new RegExp(`^${name}:.*(\r?\n[ \t].*)*\r?\n`, 'im'), '').replace(/\r\n$/, '');
  const out = [head, ...rest].join('\r\n\r\n');
  for (const u of SEED.users) if ([get('to'), get('cc'), get('bcc')].flatMap(addrs).includes(u.email)) {
    await inner('POST', '/gmail/v1/users/me/messages/import', { auth: as(u.email), json: { raw: Buffer.from(out, 'latin1').toString('base64url') } });
    await changed(u.email);
  }
}

async function ctl(name, b, q) {
  switch (name) {
    case 'reset': boot(); return { ok: true };
    case 'config': Object.assign(cfg, b); return cfg;
    case 'clock': stands = b.now; return { ok: true };
    case 'deliver': {                                        // incoming mail: {mailbox, raw} or {mailbox, from, subject, text, headers}
      const raw = b.raw ?? [`From: ${b.from}`, `To: ${b.to ?? b.mailbox}`, `Subject: ${b.subject ?? ''}`, `Message-ID: ${b.messageId ?? `<${crypto.randomUUID()}@in.example>`}`,
        ...Object.entries(b.headers ?? {}).map(([k, v]) => `${k}: ${v}`), 'MIME-Version: 1.0', 'Content-Type: text/plain; charset=utf-8', '', b.text ?? ''].join('\r\n');
      const r = await inner('POST', '/gmail/v1/users/me/messages/import', { auth: as(b.mailbox), json: { raw: b64u(raw), threadId: b.threadId, labelIds: b.labelIds } });
      await changed(b.mailbox); return shrink(r.data);
    }
    case 'push': { const r = []; for (let i = 0; i < (b.repeat ?? 1); i++) r.push(await push(b.email, b)); return r; }
    case 'pushes': return pushLog;
    case 'clear-faults': faults = []; return { ok: true };
    case 'fault': faults.push({ times: 1, ...b }); return { pending: faults.length };   // {method,path(regex),status,body,headers,delayMs,dropAfter,times}
    case 'expire': for (const [t, a] of access) if (!b.email || a.email === b.email) em.tokenMap.delete(t); return { ok: true };
    case 'revoke': { for (const [t, a] of access) if (a.email === b.email) em.tokenMap.delete(t);
      const m = em.store.getData('google.oauth.refreshTokens'); for (const [t, r] of m ?? []) if (r.email === b.email) m.delete(t);
      grants.clear(); return { ok: true }; }
    case 'history-floor': floors.set(b.email, BigInt(down(await histOf(b.email)))); return { floor: floors.get(b.email).toString() };
    case 'watches': return [...watches].map(([email, w]) => ({ email, ...w }));
    case 'log': return log.filter((l) => !q.get('path') || l.path.includes(q.get('path')));
    case 'sent': { const r = await inner('GET', '/gmail/v1/users/me/messages?labelIds=SENT&maxResults=500', { auth: as(q.get('email')) });
      return Promise.all((r.data.messages ?? []).map(async (m) => ({ ...m, raw: (await rawOf(q.get('email'), m.id))?.toString('utf8') }))); }
  }
  return null;
}

async function handle(req, url, body) {
  const path = url.pathname, auth = req.headers.authorization, who = em.tokenMap.get((auth ?? '').replace(/^Bearer\s+/i, ''))?.login;
  const q = url.search, m = path.match(/^\/(?:upload\/)?gmail\/v1\/users\/[^/]+\/(.+)$/), op = m?.[1], post = req.method === 'POST';
  const tok = [...access].find(([t]) => auth?.endsWith(t))?.[1];
  if (tok && tok.exp < Date.now()) em.tokenMap.delete(auth.replace(/^Bearer\s+/i, ''));
  // ---- OAuth
  if (path === '/o/oauth2/v2/auth') authReq.set(`${url.searchParams.get('client_id')}|${url.searchParams.get('state') ?? ''}`, Object.fromEntries(url.searchParams));
  if (path === '/o/oauth2/v2/auth/callback' && post) {
    const f = new URLSearchParams(body.toString()), r = await inner('POST', path, { body, headers: { 'content-type': req.headers['content-type'] } });
    const code = r.headers.location && new URL(r.headers.location).searchParams.get('code');
    if (code) codes.set(code, { redirect: f.get('redirect_uri'), email: f.get('email'), client: f.get('client_id'), req: authReq.get(`${f.get('client_id')}|${f.get('state') ?? ''}`) ?? { access_type: 'offline', prompt: 'consent' } });
    return r;
  }
  if (post && (path === '/token' || path === '/oauth2/token')) {
    const f = new URLSearchParams(body.toString());
    if (req.headers.authorization?.startsWith('Basic ')) { const [i, s] = Buffer.from(req.headers.authorization.slice(6), 'base64').toString().split(':'); f.set('client_id', decodeURIComponent(i)); f.set('client_secret', decodeURIComponent(s)); }
    const c = codes.get(f.get('code'));
    if (c && c.redirect !== f.get('redirect_uri')) return { status: 400, data: { error: 'redirect_uri_mismatch', error_description: 'Bad Request' } };
    const r = await inner('POST', '/oauth2/token', { body: f.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    if (r.data?.access_token) {
      const email = em.tokenMap.get(r.data.access_token)?.login, key = `${f.get('client_id')}|${email}`;
      access.set(r.data.access_token, { email, exp: Date.now() + cfg.tokenTtl * 1000 }); r.data.expires_in = cfg.tokenTtl;
      if (c && (c.req.access_type !== 'offline' || (grants.has(key) && c.req.prompt !== 'consent'))) delete r.data.refresh_token;   // as Google does
      grants.add(key); codes.delete(f.get('code'));
    } else if (r.data?.error === 'invalid_grant' && f.get('grant_type') === 'refresh_token') r.data.error_description = 'Token has been expired or revoked.';
    return r;
  }
  if (post && path === '/revoke') return inner('POST', '/oauth2/revoke', { body: body.length ? body : url.searchParams.toString(), headers: { 'content-type': 'application/x-www-form-urlencoded' } });
  if (path === '/oauth2/v3/certs') { const r = await inner('GET', path); r.data.keys.push(PUSH_JWK); return r; }
  if (!m) return inner(req.method, path + q, { auth, body: body.length ? body : undefined, headers: { 'content-type': req.headers['content-type'] ?? '' } });
  if (!who) return gErr(401, 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.', 'authError', 'UNAUTHENTICATED');
  const scopes = em.tokenMap.get(auth.replace(/^Bearer\s+/i, ''))?.scopes ?? [];
  if (scopes.length && !scopes.some((x) => /\/auth\/gmail\.|^https:\/\/mail\.google\.com\/$/.test(x))) return gErr(403, 'Request had insufficient authentication scopes.', 'insufficientPermissions', 'PERMISSION_DENIED');
  // ---- Gmail gaps
  if (op === 'profile') { const l = await inner('GET', '/gmail/v1/users/me/messages?includeSpamTrash=true', { auth }), t = await inner('GET', '/gmail/v1/users/me/threads?includeSpamTrash=true', { auth });
    return { status: 200, data: { emailAddress: who, messagesTotal: l.data.resultSizeEstimate, threadsTotal: t.data.resultSizeEstimate, historyId: down(await histOf(who)) } }; }
  if (op === 'watch' && post) {
    const j = JSON.parse(body.toString() || '{}');
    if (!/^projects\/[^/]+\/topics\/[^/]+$/.test(j.topicName ?? '')) return gErr(400, 'Invalid topicName does not match projects/*/topics/*', 'invalidArgument', 'INVALID_ARGUMENT');
    if (watches.get(who)?.exp > Date.now() && watches.get(who).topicName !== j.topicName) return gErr(400, 'Only one user push notification client allowed per developer (call /stop then try again)', 'invalidArgument', 'INVALID_ARGUMENT');
    const r = await inner('POST', path, { auth, json: j }); if (r.status !== 200) return r;
    const exp = Date.now() + 7 * 86_400_000; watches.set(who, { ...j, exp }); lastHist.set(who, await histOf(who)); r.data.expiration = String(exp); return r;
  }
  if (op === 'stop' && post) { watches.delete(who); await inner('POST', path, { auth }); return { status: 204, text: '' }; }
  let search = new URLSearchParams(q), rfcId;
  if (['history', 'messages', 'threads'].includes(op) && !post) search.set('maxResults', Math.min(Number(search.get('maxResults') ?? 100), cfg.pageSize));
  if (op === 'history') {
    const s = search.get('startHistoryId');
    if (s && floors.has(who) && BigInt(s) < floors.get(who)) return gErr(404, 'Requested entity was not found.', 'notFound', 'NOT_FOUND');
    if (s) search.set('startHistoryId', up(s));
  }
  if (op === 'messages' && !post && /[{]|larger:/i.test(search.get('q') ?? '')) return searched(who, search);
  if (op === 'messages' && !post) { const mm = (search.get('q') ?? '').match(/(?:^|\s)rfc822msgid:(\S+)/i); if (mm) { rfcId = mm[1].replace(/[<>]/g, ''); search.set('q', search.get('q').replace(mm[0], ' ').trim()); if (!search.get('q')) search.delete('q'); } }
  let out = body, ct = req.headers['content-type'] ?? '';
  const bd = ct.match(/multipart\/related;.*boundary="?([^";]+)/i);
  if (bd) {                                                   // uploadType=multipart: JSON metadata + message/rfc822
    const parts = body.toString('latin1').split(`--${bd[1]}`).slice(1, -1).map((p) => { const i = p.search(/\r?\n\r?\n/); return p.slice(i).replace(/^\r?\n\r?\n/, '').replace(/\r?\n$/, ''); });
    out = Buffer.from(JSON.stringify({ ...JSON.parse(parts[0] || '{}'), raw: Buffer.from(parts[1], 'latin1').toString('base64url') })); ct = 'application/json';
  }
  const sending = post && (op === 'messages/send' || op === 'drafts/send');
  if (sending && cfg.rewriteMsgId && ct.includes('json')) {   // what some Gmail paths do to Message-ID
    const j = JSON.parse(out.toString()); if (j.raw) { let t = Buffer.from(j.raw, 'base64url').toString('latin1');
      t = t.replace(/^Message-ID:\s*(.*)$/im, (_, v) => `X-Google-Original-Message-ID: ${v.trim()}\r\nMessage-ID: <CA+${crypto.randomBytes(9).toString('hex')}@mail.gmail.com>`); j.raw = Buffer.from(t, 'latin1').toString('base64url'); out = Buffer.from(JSON.stringify(j)); }
  }
  if (sending && ct.includes('json')) {                       // a thread of another mailbox
    const t = JSON.parse(out.toString()).threadId;
    if (t && (await inner('GET', `/gmail/v1/users/me/threads/${t}?format=minimal`, { auth })).status !== 200) return gErr(404, 'Requested entity was not found.', 'notFound', 'NOT_FOUND');
  }
  const r = await inner(req.method, `${path}${search.size ? `?${search}` : ''}`, { auth, body: out.length ? out : undefined, headers: { 'content-type': ct } });
  if (r.status < 300 && r.data) {
    const wanted = search.getAll('metadataHeaders');
    if (!post && /^messages\/[^/]+$/.test(op)) await enrich(who, r.data, wanted);
    if (!post && /^threads\/[^/]+$/.test(op)) for (const x of r.data.messages ?? []) await enrich(who, x, wanted);
    if (sending) { const { id, threadId, labelIds } = r.data; r.data = { id, threadId, labelIds }; }   // the real send answers just these
    if (rfcId !== undefined) { const keep = []; if (!cfg.indexLag) for (const x of r.data.messages ?? []) { const raw = await rawOf(who, x.id); const v = raw && headerList(raw).find((h) => h.name.toLowerCase() === 'message-id')?.value;
      const mid = v ?? (await inner('GET', `/gmail/v1/users/me/messages/${x.id}?format=metadata`, { auth })).data?.payload?.headers?.find((h) => h.name === 'Message-ID')?.value; if (mid?.replace(/[<>]/g, '') === rfcId) keep.push(x); } r.data.messages = keep; r.data.resultSizeEstimate = keep.length; }
    if (req.method !== 'GET') { if (sending && cfg.deliver) await deliver(who, r.data.id); await changed(who); }
  }
  return r;
}

const server = http.createServer(async (req, res) => {
  const chunks = []; for await (const c of req) chunks.push(c);
  const body = Buffer.concat(chunks), url = new URL(req.url, BASE);
  if (stands !== null) stands += 1;
  const send = (r) => { const has = r.data !== undefined, payload = has ? JSON.stringify(shrink(r.data)) : (r.text ?? '');
    const h = { 'content-type': has ? 'application/json; charset=UTF-8' : r.headers?.['content-type'] ?? 'text/plain', ...(r.headers?.location ? { location: r.headers.location } : {}), ...(r.extra ?? {}) };
    res.writeHead(r.status, h); res.end(payload); };
  try {
    if (url.pathname.startsWith('/_ctl/')) { const d = await ctl(url.pathname.slice(6), body.length ? JSON.parse(body) : {}, url.searchParams); return send(d === null ? { status: 404, data: { error: 'no such control' } } : { status: 200, data: d }); }
    const entry = { at: Date.now(), method: req.method, path: url.pathname + url.search }; log.push(entry);
    const i = faults.findIndex((f) => (!f.method || f.method === req.method) && new RegExp(f.path ?? '.').test(url.pathname) && new RegExp(f.query ?? '').test(url.search));
    const f = i >= 0 ? faults[i] : null; if (f && --f.times <= 0) faults.splice(i, 1);
    if (f?.delayMs) await new Promise((r) => setTimeout(r, f.delayMs));
    if (f?.status) { entry.status = f.status; entry.fault = true; return send({ status: f.status, data: f.body ?? gErr(f.status, f.message ?? 'Injected', f.reason ?? 'backendError', f.grpc ?? 'UNAVAILABLE').data, extra: f.headers }); }
    const r = await handle(req, url, body); entry.status = r.status;
    if (f?.dropAfter) { entry.fault = true; return res.destroy(); }                 // done at the provider, answer lost
    send(r);
  } catch (e) { console.error(e); send({ status: 500, data: { error: { code: 500, message: String(e), status: 'INTERNAL' } } }); }
});
server.listen(0, HOST, () => {
  PORT = server.address().port; BASE = `http://${HOST}:${PORT}`;
  boot();
  console.log(`ready ${BASE}`);
});
process.stdin.resume().on('end', () => process.exit(0));

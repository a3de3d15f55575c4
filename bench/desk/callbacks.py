#!/usr/bin/env python3
"""How long a callback takes until it is acknowledged, at a steady rate.

    bench/desk/callbacks.py http://127.0.0.1:5003 --rate 500 --seconds 20 [--form wecom|bridge]

The server must have the account: DESK__BRIDGE__SECRET, or DESK__WECOM__* with the values below. Requests leave on time
whatever became of those before (an open loop), over connections that are kept, and each is timed from when it should
have left, so that a stall counts for all whom it holds up.
"""
import argparse, asyncio, base64, hashlib, hmac, json, os, struct, subprocess, time, urllib.parse

SECRET = "0123456789abcdef0123456789abcdef"
TOKEN, AES_KEY, CORP = "QDG6eK", "jWmYm7qr5nMoAUwZRjGtBxmz3KA1tkAj3ykkR6q2B2C", "wx5823bf96d3bd56c7"


def bridge(n, now):
    body = json.dumps({"messageId": f"{now}-{n}", "kfId": "kf", "customerId": f"c{n % 500}", "msgType": "text",
                       "content": "我的订单什么时候到?"}).encode()
    nonce = f"nonce-{now}-{n}"
    signature = hmac.new(SECRET.encode(), f"{now}\n{nonce}\n".encode() + body, hashlib.sha256).hexdigest()
    return f"/channel/jd/callback?signature={signature}&timestamp={now}&nonce={nonce}", body


def seal(xml):
    key = base64.b64decode(AES_KEY + "=")
    plain = os.urandom(16) + struct.pack(">I", len(xml)) + xml + CORP.encode()
    pad = 32 - len(plain) % 32
    plain += bytes([pad]) * pad
    out = subprocess.run(["openssl", "enc", "-aes-256-cbc", "-nopad", "-K", key.hex(), "-iv", key[:16].hex()],
                         input=plain, capture_output=True, check=True)
    return base64.b64encode(out.stdout).decode()


def wecom(sealed, n, now):
    nonce = f"nonce{n}"
    signature = hashlib.sha1("".join(sorted([TOKEN, str(now), nonce, sealed])).encode()).hexdigest()
    query = urllib.parse.urlencode({"msg_signature": signature, "timestamp": now, "nonce": nonce})
    body = f"<xml><ToUserName><![CDATA[{CORP}]]></ToUserName><Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    return f"/wecom/callback?{query}", body.encode()


async def ask(pool, host, port, path, body):
    reader, writer = pool.pop() if pool else await asyncio.open_connection(host, port)
    writer.write(f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
                 f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
    await reader.readexactly(length)
    pool.append((reader, writer))
    return head.startswith("http/1.1 200")


async def main():
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("--rate", type=float, default=500)
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--form", choices=["wecom", "bridge"], default="wecom")
    o = options.parse_args()
    url = urllib.parse.urlsplit(o.url)
    total, now = int(o.rate * o.seconds), int(time.time())
    if o.form == "bridge":
        requests = [bridge(n, now) for n in range(total)]
    else:
        event = ("<xml><ToUserName><![CDATA[%s]]></ToUserName><CreateTime>%d</CreateTime><MsgType><![CDATA[event]]>"
                 "</MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[t]]></Token>"
                 "<OpenKfId><![CDATA[kf%d]]></OpenKfId></xml>")
        sealed = [seal((event % (CORP, now, n)).encode()) for n in range(20)]
        requests = [wecom(sealed[n % 20], n, now) for n in range(total)]
    pool, times, failed = [], [], 0
    start = time.perf_counter() + 0.5

    async def one(n):
        nonlocal failed
        due = start + n / o.rate
        await asyncio.sleep(max(0, due - time.perf_counter()))
        ok = await ask(pool, url.hostname, url.port, *requests[n])
        times.append(time.perf_counter() - due)
        failed += not ok

    await asyncio.gather(*(one(n) for n in range(total)))
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(len(times) * share))] * 1000
    print(f"{o.form}: {total} callbacks at {o.rate:.0f}/s, {failed} failed; acknowledged after "
          f"{at(0.5):.1f} ms (median), {at(0.9):.1f} (p90), {at(0.99):.1f} (p99), {times[-1] * 1000:.1f} (longest)")


asyncio.run(main())

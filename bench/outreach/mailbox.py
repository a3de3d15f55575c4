#!/usr/bin/env python3
"""A large mailbox is taken in: how long, how much memory, how many of Google's units a minute.

    cargo xtask peers && cargo build --release -p app
    bench/outreach/mailbox.py target/release/hongyan --peers target/peers/node_modules --mails 10000

Starts the emulator of the tests with crowd.mjs before it, which makes that many mails up, in threads of four, then the server
with an empty data folder, connects the mailbox, makes the conversation, and looks on until every mail is in it. Memory is the
server's resident set, once a second, and of it what is its own: not the pages of the program's and the database's file; units
are counted from the log of calls by Google's prices of 2026.
"""
import argparse, collections, json, os, pathlib, re, signal, subprocess, sys, tempfile, time, urllib.parse, urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BRAND, CREATOR = "brand@example.com", "creator@example.com"
PRICES = [(r"/profile", 1), (r"/history", 2), (r"/messages/send", 100), (r"/messages/[^/?]+", 20), (r"/messages", 5),
          (r"/watch", 100), (r"/stop", 50), (r"/threads/", 40), (r"/settings/", 1)]


def call(url, body=None, token=None, form=None, follow=True):
    headers = {}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None
    if form is not None:
        data, headers["Content-Type"] = urllib.parse.urlencode(form).encode(), "application/x-www-form-urlencoded"
    elif body is not None:
        data, headers["Content-Type"] = json.dumps(body).encode(), "application/json"
    opener = urllib.request.build_opener() if follow else urllib.request.build_opener(Stay)
    request = urllib.request.Request(url, data=data, headers=headers)
    try:
        with opener.open(request, timeout=120) as answer:
            text = answer.read()
            return json.loads(text) if text[:1] in (b"{", b"[") else text.decode()
    except urllib.error.HTTPError as error:
        if error.code in (301, 302, 303):
            return error.headers["Location"]
        sys.exit(f"{url}: {error.code} {error.read().decode()}")


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("server")
    options.add_argument("--peers", required=True, help="the folder node_modules with @emulators/google")
    options.add_argument("--mails", type=int, default=10_000)
    options.add_argument("--size", type=int, default=4000, help="octets of each text")
    options.add_argument("--units", type=int, default=6000, help="Google's units a minute")
    options.add_argument("--port", type=int, default=5079)
    o = options.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="hongyan-mailbox-"))
    (folder / "emulator.mjs").write_bytes((ROOT / "crates/testkit/src/google/emulator.mjs").read_bytes())
    (folder / "node_modules").symlink_to(pathlib.Path(o.peers).resolve())
    public = f"http://127.0.0.1:{o.port}"
    seed = {"users": [{"email": BRAND, "name": "Brand"}, {"email": CREATOR, "name": "Creator"}],
            "oauth_clients": [{"client_id": "cid.apps.googleusercontent.com", "client_secret": "GOCSPX-x", "name": "Desk",
                               "redirect_uris": [f"{public}/api/gmail/auth/callback/"]}], "messages": []}
    node = subprocess.Popen(["node", "emulator.mjs"], cwd=folder, env={**os.environ, "SEED": json.dumps(seed)},
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    google = node.stdout.readline().removeprefix("ready ").strip()
    server = front = None
    try:
        front = subprocess.Popen(["node", ROOT / "bench/outreach/crowd.mjs", google, str(o.mails), str(o.size), BRAND, CREATOR],
                                 stdout=subprocess.PIPE, text=True)
        crowd = front.stdout.readline().removeprefix("ready ").strip()
        env = {**os.environ, "HONGYAN_DATA_DIR": str(folder / "data"), "HONGYAN_SERVER__LISTEN": f"127.0.0.1:{o.port}",
               "HONGYAN_SERVER__PUBLIC_URL": public, "HONGYAN_LIMITS__ENABLED": "false",
               "HONGYAN_GMAIL__QUOTA_UNITS": str(o.units),
               "HONGYAN_GMAIL__AUTH_URI": f"{google}/o/oauth2/v2/auth", "HONGYAN_GMAIL__TOKEN_URI": f"{google}/token",
               "HONGYAN_GMAIL__REVOKE_URI": f"{google}/revoke", "HONGYAN_GMAIL__API_BASE": crowd,
               "HONGYAN_GMAIL__JWKS_URI": f"{google}/oauth2/v3/certs"}
        log = open(folder / "server.log", "w")
        server = subprocess.Popen([o.server, "serve"], env=env, stdout=log, stderr=log, cwd=folder)
        for _ in range(200):
            try:
                urllib.request.urlopen(f"{public}/health/ready", timeout=1).read()
                break
            except OSError:
                time.sleep(0.1)
        measure(o, public, google, crowd, server.pid)
    finally:
        for child in (server, front, node):
            if child:
                child.send_signal(signal.SIGTERM)
                child.wait(20)
        print(f"data and log: {folder}")


def measure(o, public, google, crowd, pid):
    api = f"{public}/api/gmail"
    user = {"username": "bench", "email": "bench@example.com", "password": "password123"}
    token = call(f"{public}/api/v1/auth/register", user)["data"]["token"]
    client = {"web": {"client_id": "cid.apps.googleusercontent.com", "client_secret": "GOCSPX-x", "project_id": "test",
                      "auth_uri": f"{google}/o/oauth2/v2/auth", "token_uri": f"{google}/token",
                      "redirect_uris": [f"{api}/auth/callback/"]}}
    url = call(f"{api}/auth/initiate/", {"client_secret_json": json.dumps(client)}, token)["auth_url"]
    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
    click = {k: asked[k] for k in ("redirect_uri", "state", "client_id", "code_challenge", "code_challenge_method", "scope")}
    call(call(f"{google}/o/oauth2/v2/auth/callback", form={**click, "email": BRAND}, follow=False))
    resident = lambda what="VmRSS": int(re.search(rf"{what}:\s+(\d+)", open(f"/proc/{pid}/status").read()).group(1)) / 1024
    before, own = resident(), 0
    begun = time.time()
    call(f"{api}/conversations/", {"user_email": BRAND, "influencer_email": CREATOR}, token)
    most, count, last = before, 0, 0
    while count < o.mails:
        time.sleep(1)
        most, own = max(most, resident()), max(own, resident("RssAnon"))
        row = call(f"{api}/conversations/", token=token)["results"][0]
        count = row["message_count"]
        if time.time() - last > 60:
            last = time.time()
            print(f"{time.time() - begun:6.0f} s  {count} mails  {resident():.0f} MB, {resident('RssAnon'):.0f} MB own", flush=True)
    took = time.time() - begun
    minutes, refused = collections.Counter(), 0
    for entry in call(f"{crowd}/_log"):
        price = next((p for pattern, p in PRICES if re.match(pattern, entry["path"])), 1)
        minutes[int(entry.get("at", 0) // 60_000)] += price
        refused += entry["status"] == 429
    print(f"{count} mails in {took:.0f} s; memory {before:.0f} MB before, at most {most:.0f} MB, {own:.0f} MB own; "
          f"units in the busiest minute {max(minutes.values())}, in all {sum(minutes.values())}; {refused} calls refused")


main()

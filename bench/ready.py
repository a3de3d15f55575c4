"""ready.py SERVER PORT: starts the server, prints the milliseconds until /health/ready answers 200 and the megabytes that
are resident three seconds later, and ends it."""

import http.client
import signal
import subprocess
import sys
import time

server, port = sys.argv[1], int(sys.argv[2])
began = time.perf_counter()
process = subprocess.Popen([server, "serve"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while process.poll() is None:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
        connection.request("GET", "/health/ready")
        if connection.getresponse().status == 200:
            break
    except OSError:
        pass
    time.sleep(0.001)
ready = (time.perf_counter() - began) * 1000
time.sleep(3)
with open(f"/proc/{process.pid}/status") as status:
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
process.send_signal(signal.SIGTERM)
process.wait()
print(f"{ready:.0f} {resident / 1024:.1f}")

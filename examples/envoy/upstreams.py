"""Two versions of a shop. Each responds with its name and the fields that Serin set. Stop them with Ctrl-C."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORTS = {"shop-stable": 18001, "shop-canary": 18002}


def handler(name):
    class Shop(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            lines = [name]
            for field in ("x-serin-rollout", "x-serin-arm", "serin-flags"):
                if field in self.headers:
                    lines.append(f"  {field}: {self.headers[field]}")
            body = ("\n".join(lines) + "\n").encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Shop


def main():
    servers = [ThreadingHTTPServer(("127.0.0.1", port), handler(name)) for name, port in PORTS.items()]
    for server in servers:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("upstreams: " + ", ".join(f"{name} on {port}" for name, port in PORTS.items()), flush=True)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()

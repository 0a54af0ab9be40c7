#!/usr/bin/env python3
"""A collector of traces for trying out: takes OTLP over HTTP in JSON, and keeps each span as a line of JSON.

collector.py PORT FILE
"""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.answer(200)

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/v1/traces":
            return self.answer(404)
        for resource in json.loads(body)["resourceSpans"]:
            service = resource["resource"]["attributes"][0]["value"]["stringValue"]
            spans = [span for scope in resource["scopeSpans"] for span in scope["spans"]]
            self.server.kept.write("".join(json.dumps({"service": service, **span}) + "\n" for span in spans))
        self.server.kept.flush()
        self.answer(200)

    def answer(self, status):
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Collector)
server.kept = open(sys.argv[2], "a", encoding="utf-8")
server.serve_forever()

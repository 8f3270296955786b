--- plugin_rows: what `./dev bench plugins` measures: each plugin, with options that let everything
--- pass.

local identities = require "spec.bench.identities"

-- Signed by HS256, good until 2100; what is measured is how it is found again.
local SECRET = ("bench-secret-of-"):rep(2)
local TOKEN = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzY29wZSI6InJlYWQiLCJleHAiOjQxMDI0NDQ4MDA"
  .. "sImlzcyI6Imh0dHBzOlwvXC9pZC5leGFtcGxlIiwic3ViIjoidXNlci0xIn0.dDzXPNFMR-uRdKyDRr9"
  .. "dLbX6LAewcsV0wVYNoKV4Ka4"
local BEARER = "authorization: Bearer " .. TOKEN

-- Presigned for the host "bench", and good for as long as the clock may differ.
local PRESIGNED = "?X-Amz-Algorithm=AWS4-HMAC-SHA256"
  .. "&X-Amz-Credential=bench%2F20260101%2Fus-east-1%2Fexecute-api%2Faws4_request"
  .. "&X-Amz-Date=20260101T000000Z&X-Amz-Expires=604800&X-Amz-SignedHeaders=host&X-Amz-Signature="
  .. "e2ddc66d1cb6da9decad9552dfd0deba26f9588bd73b4348c5f59c7347f0a9c4"
local SESSION = 'name = "session", secure = false, secrets = { ("bench "):rep(8) }, '
  .. 'renew_after = "1h", idle_timeout = "2h"'

-- Loads that are not wrk's own: what a plain route costs under each is what its plugins go over.
local LOADS = {
  signed = { name = "plain, requests signed", script = identities.signing },
  tls = { name = "plain, TLS and certificate", tls = true },
}

-- Of each plugin options that let everything pass, as text. Those that answer themselves do so in
-- place of the upstream, and are shown over it all the same.
local ROWS = {
  { "access-log", 'path = "/dev/null"' },
  { "aggregate", 'parts = { one = { "http://origin/small" } }', answers = true },
  { "authenticate", 'any = { { "key-auth" } }' },
  { "aws-sigv4-auth", 'clock_skew = 100 * 365 * 86400', name = "presigned", path = "/signed",
    query = PRESIGNED, header = "Host: bench" },
  { "aws-sigv4-sign", [[access_key_id = "bench", secret_access_key = "of-the-bench",
      region = "us-east-1", service = "execute-api"]] },
  { "basic-auth", "", header = "authorization: Basic YmVuY2g6b3Blbg==" },
  { "cache", 'ttl = "1h", max_object = "64k"', name = "a hit" },
  { "bot-filter", 'deny = { "masscan", "zgrab", "python-requests/1." }' },
  { "concurrency", "limit = 1000000" },
  { "cors", 'origins = { "*" }' },
  { "csrf", "" },
  { "forward-auth", 'url = "http://provider/decide", upstream_headers = { "x-user" }, '
    .. 'cache = "1h", cache_by = { "header:authorization" }',
    header = "authorization: Basic YTpi" },
  { "hmac-auth", 'max_age = "2s", clock_skew = 0', load = LOADS.signed },
  { "hmac-auth", "replay = true", load = LOADS.signed, name = "may be repeated" },
  { "ip-filter", 'allow = { "127.0.0.0/8", "10.0.0.0/8" }' },
  { "jwt", ('keys = { { secret = %q } }, issuer = "https://id.example"'):format(SECRET),
    header = BEARER },
  { "key-auth", "" },
  { "metrics", "" },
  { "mock", 'json = { hello = "world" }', answers = true },
  { "mtls-auth", "", load = LOADS.tls },
  { "oauth2-introspection", 'endpoint = "http://provider/introspect", client_id = "bench", '
    .. 'client_secret = "secret", cache = "1h"', header = "authorization: Bearer opaque" },
  { "quota", 'limit = 1000000000, by = "address"' },
  { "rate-limit", 'limit = 1000000000, window = "1s"' },
  { "rate-limit", 'limit = 1000000000, window = "1s", algorithm = "fixed"', name = "fixed" },
  { "rate-limit", 'limit = 1000000000, window = "1s", algorithm = "sliding"', name = "sliding" },
  { "rate-limit", [[limits = { { limit = 1000000000, window = "1s" },
      { limit = 1000000000, window = "1h", algorithm = "fixed" } }]], name = "two limits" },
  { "redirect", 'to = "/elsewhere"', answers = true },
  { "request-id", "" },
  { "session", SESSION, cookie = "/login" },
  { "size-limit", 'body = "1m", target = "4k", headers = "8k"' },
  { "spike-arrest", 'limit = 1000000000, window = "1s", burst = 1000000' },
  { "transform", 'set_headers = { ["x-team"] = "core" }' },
}
-- Of identity: after key-auth, over whose route they are shown.
local AFTER_KEY = { { "acl", 'groups = { "bench" }' } }

-- Who is asked, once for all requests: a listener of the same gateway has its routes.
local PROVIDER = [[
route "POST /introspect" { plugins = { { "mock", json = { active = true, sub = "user-1" } } } }
route "GET /decide" { plugins = { { "mock", status = 204, headers = { ["x-user"] = "a" } } } }
]]

return { ROWS = ROWS, AFTER_KEY = AFTER_KEY, SESSION = SESSION, PROVIDER = PROVIDER }

-- Several targets, what is tried again, and what happens when they fail.

listen "127.0.0.1:8080"

-- Requests go to the target with the fewest of them; the second takes twice as many. One that
-- refuses three times in a row is set aside for ten seconds.
upstream "catalog" {
  "http://10.0.0.11:9000",
  { "http://10.0.0.12:9000", weight = 2 },
  balance = "least_conn",
  failures = 3,
  set_aside = "10s",
}

-- Asked every two seconds whether they are well; the third only when no other is.
upstream "search" {
  "http://10.0.0.41:9200",
  "http://10.0.0.42:9200",
  { "http://10.9.0.41:9200", backup = true },
  health = { path = "/healthz", interval = "2s" },
  slow_start = "20s",
  -- What nineteen of twenty answers would have been there for by now is asked of another target,
  -- too: of one request in twenty at most.
  hedge = { after = "p95", share = 0.05 },
}

-- Over TLS, verified with an authority of one's own, under another name than the target's.
upstream "payments" {
  "https://10.0.0.21:8443",
  tls = { server_name = "payments.internal", ca = "/etc/ssl/certs/ca-certificates.crt" },
  connections = 256,
  retry_budget = 0.1,
  -- With half of its requests failed, or eight of ten that took longer than a second, it is left
  -- alone for ten seconds, then tried with five.
  breaker = { failures = 0.5, slow = "1s", slow_share = 0.8, open = "10s", probes = 5 },
  -- No more at once than it takes well, which is learnt; what is beyond waits for half a second.
  adaptive = { min = 8, max = 512 },
  queue = { size = 200, deadline = "500ms" },
}

-- Over a unix socket.
upstream "local" { "unix:/run/app/http.sock" }

route "GET /catalog/{path*}" {
  upstream = "catalog",
  rewrite = "/{path}",
  timeout = { connect = "250ms", response = "2s", total = "3s" },
  retries = 2,
}

-- A gateway before this one says how much time it has left; so does this one to its upstream.
route "GET /search" { upstream = "search", timeout = "3s", deadline = { max = "10s" } }

-- What may not be done twice is not tried twice; a large body is streamed.
route "POST /payments" { upstream = "payments", retries = 0, body_limit = "64m" }

route "/app/{path*}" { upstream = "local", upstream_host = "app.internal" }

--- schema: the configuration's own tables, in the form of plugins' options.
--
-- conf/README.md's reference is made from this table.

local jwt_given = require "moongate.jwt.given"
local upstream_schema = require "moongate.config.upstream_schema"

local schema = {}

local function cidrs(help)
  return { type = "list", items = { type = "string" }, default = {}, help = help }
end

-- Set by a call with one value: workers(2).
schema.settings = {
  workers = { type = "integer", default = 0, min = 0, max = 256,
    help = "processes that serve; 0: one per core" },
  via = { type = "string", default = "moongate", help = "our name in Via and Proxy-Status" },
  user = { type = "string", help = "whom workers run as when started as root" },
  trusted_proxies = cidrs "whose Forwarded and X-Forwarded-* fields are believed (CIDR blocks)",
  forwarded = { type = "boolean", default = false,
    help = "also write the Forwarded field (RFC 7239)" },
  watch = { type = "boolean", default = true,
    help = "reload when a file that was read has changed" },
  zone = { type = "string", help = "where this gateway is: targets of that zone come first" },
}

-- Bounds of runtime/shm/shared.h.
local function memory(help)
  return { type = "size", default = 0, zero = true, min = 131072, max = 4294967296, help = help }
end

schema.memory = {
  counters = memory "counters, gauges and histograms; 0: room for 16,384 histograms",
  limits = memory "state of rate limits; 0: 16m",
  dict = memory "shared dictionaries of plugins; 0: 16m",
  cache = memory "answers that the HTTP cache keeps; 0: 64m",
  plugin_cache = memory "what plugins cache, as verified tokens; 0: 16m",
}

-- Bounds of runtime/store/store.h.
schema.store = {
  path = { type = "string", required = true,
    help = "folder for its file, of this gateway alone; made when it is not there" },
  size = { type = "size", default = "1g", min = 1048576, max = 1099511627776,
    help = "that the file may have; it takes up what is in it" },
}

schema.log = {
  level = { type = "string", values = { "debug", "info", "warning", "error" }, default = "info",
    help = "what is below is not logged" },
  format = { type = "string", values = { "text", "json" }, default = "text",
    help = "form of a line" },
}

schema.resolver = {
  servers = { type = "list", items = { type = "string" },
    help = 'addresses of name servers ("192.0.2.53", "192.0.2.53:53"); default: the system\'s' },
  timeout = { type = "duration", default = "2s", help = "for one try" },
  stale = { type = "duration", default = "1h",
    help = "how long the last answer serves while no name server answers" },
}

schema.limits = {
  head = { type = "size", default = "32k", min = 1024, max = 1048576, help = "head of a request" },
  target = { type = "size", default = "8k", min = 256, max = 1048576,
    help = "target of a request" },
  body = { type = "size", default = "10m",
    help = "body of a request, unless its route says otherwise" },
  head_timeout = { type = "duration", default = "10s", min = 0.01,
    help = "for a head to be complete" },
  body_timeout = { type = "duration", default = "30s", min = 0.01,
    help = "between two pieces of a request's body" },
  idle_timeout = { type = "duration", default = "60s", min = 0.01, help = "between two requests" },
  send_timeout = { type = "duration", default = "60s", min = 0.01,
    help = "between two pieces of an answer that the client takes" },
  requests = { type = "integer", default = 0, min = 0, help = "on one connection; 0: no limit" },
  connections = { type = "integer", default = 65536, min = 1, help = "open at a time, per worker" },
  connections_per_address = { type = "integer", default = 0, min = 0,
    help = "open at a time from one address (IPv6: one /64), per worker; 0: no limit" },
  drain_timeout = { type = "duration", default = "30s",
    help = "for requests to end when stopping" },
  turn_timeout = { type = "duration", default = "5s", zero = true, min = 0.05,
    help = "for one turn of a worker's loop, which a plugin that never returns holds up: then the "
      .. "worker is replaced; 0: never" },
}

schema.shed = {
  lag = { type = "duration", default = "20ms", min = 0.001, max = 10,
    help = "how late the loop may be; later than that for the window, requests are refused" },
  full = { type = "duration", default = "200ms", min = 0.002, max = 60,
    help = "so late, all but the critical is refused; more than lag" },
  window = { type = "duration", default = "500ms", min = 0.05, max = 60,
    help = "how long it has to be late before anything is refused" },
  report_only = { type = "boolean", default = false,
    help = "refuse nothing; log and count what would be" },
}

local CERTIFICATE = {
  cert = { type = "pem", required = true,
    help = "the certificate chain: a PEM file, or its text" },
  key = { type = "pem", required = true, secret = true,
    help = "its key: a PEM file, or its text" },
}

schema.listener_tls = {
  cert = { type = "pem", help = "the certificate chain: a PEM file, or its text" },
  key = { type = "pem", secret = true, help = "its key: a PEM file, or its text" },
  certificates = { type = "list", items = { type = "table", fields = CERTIFICATE }, default = {},
    help = "further ones, chosen by the names in them (SNI)" },
  client = { type = "string", values = { "none", "optional", "required" }, default = "none",
    help = "whether clients show a certificate" },
  client_ca = { type = "pem",
    help = "PEM file of the authorities that client certificates come from" },
  client_crl = { type = "pem",
    help = "PEM file of certificate revocation lists, one of each CA in a client's chain; read "
      .. "again when it changes" },
  client_crl_expired = { type = "string", values = { "deny", "allow" }, default = "deny",
    help = "what becomes of clients whose CA has a list that is past its nextUpdate" },
  version = { type = "string", values = { "1.2", "1.3" }, default = "1.2",
    help = "the lowest allowed" },
}

schema.listener = {
  tls = { type = "table", fields = schema.listener_tls, help = "speak TLS" },
  protocol = { type = "string",
    help = "the only one to speak; default: as TLS negotiates, else HTTP/1.1" },
  proxy_protocol = { type = "string", values = { "v1", "v2", "any" },
    help = "expect the PROXY protocol on every connection" },
  from = cidrs "who may send it (CIDR blocks); default: anyone",
}

schema.admin = {
  tls = schema.listener.tls,
  token = { type = "string", secret = true,

         help = "what clients send as Authorization: Bearer; "
      .. "needed unless the address is loopback or a unix socket" },
}

schema.upstream = upstream_schema.upstream
schema.target = upstream_schema.target

local function texts(help)
  return { type = "list", items = { type = "string" }, default = {}, help = help }
end

-- Each a text, or a text with the time from which on it does not count.
local function credentials(help)
  return { type = "list", items = { type = "any", secret = true }, default = {},
    help = help .. '; each a text, or { "...", expires = "2027-01-31T00:00:00Z" }' }
end

local function jwt_key_options()
  local options = {
    id = { type = "string", help = "what iss of its tokens is; default: the consumer's name" },
    expires = { type = "any", help = 'when it ends to count: "2027-01-31T00:00:00Z"' },
  }
  for name, option in pairs(jwt_given.options) do options[name] = option end
  return options
end

schema.consumer = {
  keys = credentials 'its API keys, or their digests: "sha256:" and 64 hexadecimal digits',
  passwords = credentials 'its passwords for basic-auth, or hashes: "scrypt:COST:SALT:HASH"',
  username = { type = "string", help = "its user name; default: its name" },
  hmac_secrets = credentials('its secrets for signatures; the id of the first is its name, that of '
    .. 'the second its name and "-2", or what is given: { "...", id = "AKIDEXAMPLE" }'),
  certificates = credentials('its client certificates: "sha256:" and the fingerprint, a subject, '
    .. 'or "dns:", "uri:" or "email:" and a name of subjectAltName'),
  jwt_keys = { type = "list", items = { type = "table", fields = jwt_key_options() }, default = {},
    help = "its keys for tokens of jwt with consumer_keys; those of one id take turns" },
  groups = texts "groups it belongs to",
  roles = texts "roles it has",
  scopes = texts "scopes it may use",
  plan = { type = "string", help = "name of its plan" },
  tags = { type = "map", items = { type = "string" }, default = {},
    help = "free texts for policies" },
}

schema.plan = {
  limit = { type = "integer", min = 1, help = "requests in a window; for plugins that limit" },
  window = { type = "duration", min = 0.001, help = "of the limit" },
  quota = { type = "integer", min = 1, help = "requests in a period; for plugins that count them" },
  period = { type = "string", help = "of the quota" },
  routes = { type = "list", items = { type = "string" },
    help = "names of the routes that it allows, where acl asks; default: all" },
}

schema.timeout = {
  connect = { type = "duration", default = "5s", min = 0.001, help = "connecting, TLS included" },
  response = { type = "duration", default = "60s", min = 0.001,
    help = "from the end of the request to the head of the answer" },
  idle = { type = "duration", default = "60s", min = 0.001, help = "between two pieces of a body" },
  total = { type = "duration", default = 0, help = "for everything, retries included; 0: none" },
}

schema.deadline = {
  field = { type = "string", default = "X-Request-Timeout",
    help = "of the request: how much time is left for it" },
  format = { type = "string", values = { "seconds", "milliseconds", "grpc", "unix" },
    help = 'of its value: 1.5, 1500, 1500m, or the time when it is over as seconds since 1970; '
      .. "default: that of grpc-timeout and of Envoy's fields, else seconds" },
  max = { type = "duration", default = 0, help = "that is believed; 0: any" },
  least = { type = "duration", default = "5ms", min = 0.001,
    help = "with less left nothing is sent, nor sent again" },
  trust = { type = "string", values = { "nobody", "proxies" }, default = "nobody",
    help = "who may also give more time than timeout.total; all may give less" },
  pass_on = { type = "boolean", default = true,
    help = "tell upstreams in the same field what is left when each attempt begins" },
  report_only = { type = "boolean", default = false,
    help = "end nothing, and pass the field on as it is; count what would be" },
}

schema.route = {
  name = { type = "string", help = "what logs and metrics call it; default: method and path" },
  host = { type = "any", help = 'name, "*.example.com", or a list of them' },
  headers = { type = "map",
    help = "fields that must be there: a value, or true for any", default = {} },
  query = { type = "map",
    help = "parameters that must be there: a value, or true for any", default = {} },
  sni = { type = "string", help = "server name of the TLS connection" },
  when = { type = "function", help = "a predicate of the request" },
  priority = { type = "integer", default = 0,
    help = "the higher one wins before anything else is compared" },
  upstream = { type = "string", help = "name of an upstream, or a URL" },
  rewrite = { type = "string", help = 'path sent upstream: "/v2/users/{id}"' },
  upstream_host = { type = "string", help = "Host sent upstream; default: the client's" },
  timeout = { type = "any", help = "a duration for the whole, or a table" },
  deadline = { type = "any",
    help = "a table, or false; default: its group's, else that of `deadline`" },
  retries = { type = "integer", default = 2, min = 0, max = 9, help = "further attempts" },
  breaker = upstream_schema.breaker "a circuit breaker for this route alone; default: none",
  hedge = upstream_schema.hedge "instead of what the upstream has; default: that",
  criticality = { type = "any", help = 'how much it matters where load is shed: "critical" (is '
    .. 'never refused), "high", "normal", "low", a number from 1 to 100, or a function of the '
    .. 'request that returns one of them; default: its group\'s, else "normal"' },
  body_limit = { type = "size", help = "of a request; default: limits.body" },
  upgrade = { type = "boolean", default = true, help = "let tunnels (WebSocket) through" },
  plugins = { type = "list", default = {}, help = "plugins with their options, in their order" },
}

schema.group = {
  host = schema.route.host,
  prefix = { type = "string", help = "put before the paths of its routes" },
  plugins = schema.route.plugins,
  upstream = schema.route.upstream,
  timeout = schema.route.timeout,
  criticality = { type = "any", help = "of its routes that say nothing else" },
  deadline = schema.route.deadline,
  routes = { type = "function", required = true, help = "declares the routes" },
}

return schema

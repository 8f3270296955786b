-- Signing in with a password, staying signed in by a cookie, and signing out.
--
-- The cookie is kept in a file, as a browser would keep it (over TLS it would be __Host-session):
--   curl -i -c jar http://localhost:8080/account # 401
--   curl -i -c jar -X POST -u ada:wrong http://localhost:8080/login # 401
--   curl -i -c jar -X POST -u ada:sesame http://localhost:8080/login # 200
--   curl -i -b jar http://localhost:8080/account # 200
--   curl -i -b jar -X POST -H 'Sec-Fetch-Site: cross-site' http://localhost:8080/logout # 403
--   curl -i -b jar -X POST http://localhost:8080/logout # 200
--   curl -i -b jar http://localhost:8080/account # 401
-- By either of two, for browsers and for programs:
--   curl -i -u ada:sesame http://localhost:8080/orders # 200
-- Whoever is of the staff signs others out, wherever they are:
--   curl -i -c jar -X POST -u ada:sesame http://localhost:8080/login # 200
--   curl -i -b jar -X DELETE http://localhost:8080/sessions/bob # 200

listen "127.0.0.1:8080"
store { path = "state" }

consumer "ada" { passwords = { "sesame" }, groups = { "staff" } }
consumer "bob" { passwords = { "barley" } }

-- What all routes of this session have alike. A new secret goes before the old one; the old one
-- goes when the last session of its time has expired. Of your own: env "SESSION_SECRET".
local function session(more)
  local options = { "session",
    secrets = { "thirty-two bytes that nobody else has seen" },
    name = "session", secure = false, -- as this listener speaks no TLS
    idle_timeout = "30m",
    absolute_timeout = "12h",
    revocation = "store",
  }
  for name, value in pairs(more or {}) do options[name] = value end
  return options
end

local hello = { "mock", body = "Hello, {header:x-consumer-name}!\n" }

group {
  plugins = { { "csrf" } },
  routes = function()
    route "POST /login" { plugins = { session { action = "login" }, { "basic-auth" }, hello } }
    route "POST /logout" {
      plugins = { session { action = "logout" }, { "mock", body = "Bye.\n" } },
    }
    route "GET /account" { plugins = { session(), hello } }
    route "GET /orders" {
      plugins = { { "authenticate", any = { session(), { "basic-auth" } } }, hello },
    }
    route "DELETE /sessions/{name}" {
      plugins = {
        session(),
        { "acl", groups = { "staff" } },
        session { action = "logout_everywhere", of = "param:name" },
        { "mock", body = "{param:name} is signed out.\n" },
      },
    }
  end,
}

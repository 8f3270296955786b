--- cache_spec: answers that are kept, and what the running gateway makes of them.

local cache_origin = require "spec.support.cache_origin"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local NUMBERS = {}
for i = 1, 40 do NUMBERS[i] = i end

describe("a route with a cache", function()
  local origin, moongate

  setup(function()
    origin = cache_origin.start()
    moongate = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "origin" { "%s" }
      consumer "somebody" { keys = { "secret" } }
      route "/plain/{rest*}" { upstream = "origin" }
      route "/private/{rest*}" { upstream = "origin", plugins = { { "key-auth" }, { "cache" } } }
      route "/changed/{rest*}" { upstream = "origin", plugins = { { "cache" },
        { "transform", response = { set_headers = { ["x-changed"] = "yes" } } } } }
      route "/{rest*}" { upstream = "origin", plugins = { { "cache" } } }
    ]]):format(origin.url) }
  end)

  teardown(function()
    moongate:stop()
    peer.stop_all()
  end)

  before_each(function() origin:forget() end)

  local function get(path, headers, method)
    return http.request(moongate.port, { path = path, headers = headers, method = method })
  end

  it("answers with what was stored, with its age and why", function()
    local first = get "/hit?Cache-Control=max-age=60"
    local second = get "/hit?Cache-Control=max-age=60"
    assert.equal(first.body, second.body)
    assert.equal(1, #origin:requests())
    assert.matches("^moongate;fwd=uri%-miss;fwd%-status=200;", first.headers["cache-status"])
    assert.matches("^moongate;hit;ttl=%d+$", second.headers["cache-status"])
    assert.matches("^%d$", second.headers.age)
    assert.is_nil(first.headers.age)
  end)

  it("is as it was without the plugin", function()
    local first = get "/plain/hit?Cache-Control=max-age=60"
    assert.not_equal(first.body, get("/plain/hit?Cache-Control=max-age=60").body)
    assert.is_nil(first.headers["cache-status"])
  end)

  it("stores large bodies, by length and in chunks", function()
    for _, form in ipairs { "bytes=1000000", "bytes=1000000&chunked" } do
      local path = "/large?Cache-Control=max-age=60&" .. form
      local first, second = get(path), get(path)
      assert.equal(1000000, #first.body)
      assert.is_true(first.body == second.body, "not the same bytes")
    end
    assert.equal(2, #origin:requests())
  end)

  it("stores nothing that must not be", function()
    for _, fields in ipairs { "Cache-Control=no-store", "Cache-Control=private,+max-age=60",
      "Cache-Control=max-age=60&Vary=*", "Cache-Control=max-age=60&Set-Cookie=a=b",
      "Cache-Control=max-age=60,+no-store", "Cache-Control=max-age=60&Age=61",
      "status=500", "Cache-Control=max-age=60&Age=a", "Cache-Control=max-age=60&Age=0,+0",
      "Cache-Control=max-age=0,+max-age=60", "Cache-Control=public,+private,+max-age=60",
      "Cache-Control=max-age=60&Vary=" .. ("accept-%d,"):rep(40):format(unpack(NUMBERS)) } do
      local path = "/not?" .. fields
      assert.not_equal(get(path).body, get(path).body, fields)
    end
  end)

  it("stores no answer that was cut off", function()
    for _, form in ipairs { "bytes=4096", "bytes=4096&chunked" } do
      local path = "/cut?Cache-Control=max-age=60&cut&" .. form
      for _ = 1, 2 do
        local client = http.connect(moongate.port)
        client:send(http.format { path = path })
        assert.equal(200, client:read_head().status)
        assert.is_true(#client:read_until_close() < 4200)
      end
    end
    assert.equal(4, #origin:requests())
  end)

  it("answers HEAD, conditions and ranges from what is stored", function()
    local path = '/forms?Cache-Control=max-age=60&ETag=%22one%22&body=0123456789'
    get(path)
    local head = get(path, nil, "HEAD")
    assert.equal("10", head.headers["content-length"])
    assert.equal("", head.body)
    assert.equal(304, get(path, { ["if-none-match"] = '"one"' }).status)
    local part = get(path, { range = "bytes=2-4" })
    assert.equal(206, part.status)
    assert.equal("234", part.body)
    assert.equal("bytes 2-4/10", part.headers["content-range"])
    assert.equal(416, get(path, { range = "bytes=20-" }).status)
    assert.equal(1, #origin:requests())
  end)

  it("answers conditions and ranges from what has just come", function()
    local path = '/new-forms?Cache-Control=max-age=60&ETag=%22one%22&body=0123456789'
    assert.equal(304, get(path .. "&a", { ["if-none-match"] = '"one"' }).status)
    assert.equal("234", get(path .. "&b", { range = "bytes=2-4" }).body)
    assert.is_nil(origin:requests()[1].headers["if-none-match"])
    assert.is_nil(origin:requests()[2].headers.range)
    assert.equal("0123456789", get(path .. "&b").body)
    assert.equal(2, #origin:requests())
  end)

  it("validates what is stale", function()
    local path = '/stale?Cache-Control=max-age=0&ETag=%22one%22'
    local first, second = get(path), get(path)
    assert.equal(first.body, second.body)
    assert.matches("fwd=stale;fwd%-status=304", second.headers["cache-status"])
    assert.equal('"one"', origin:requests()[2].headers["if-none-match"])
  end)

  it("answers with what is stale, and asks behind the client's back", function()
    local path = "/behind?Cache-Control=max-age=0,+stale-while-revalidate=60"
    local first = get(path)
    assert.equal(first.body, get(path).body)
    assert.equal(2, #origin:wait_for_requests(2))
    wait.that(function() return get(path).body ~= first.body end, 10, "another answer")
  end)

  it("answers with what is stale when the upstream fails", function()
    for _, again in ipairs { "500", "close" } do
      local path = "/error?Cache-Control=max-age=0,+stale-if-error=60&again=" .. again
      local first, second = get(path), get(path)
      assert.equal(200, second.status)
      assert.equal(first.body, second.body)
      assert.matches("fwd=stale", second.headers["cache-status"])
    end
    local path = "/error?Cache-Control=max-age=0,+must-revalidate&ETag=%22one%22&again=close"
    get(path)
    assert.equal(504, get(path).status)
  end)

  it("tells variants apart", function()
    local path = "/vary?Cache-Control=max-age=60&Vary=accept-language"
    local german, english = get(path, { ["accept-language"] = "de" }),
      get(path, { ["accept-language"] = "en" })
    assert.not_equal(german.body, english.body)
    assert.equal(german.body, get(path, { ["accept-language"] = "de" }).body)
    assert.equal(english.body, get(path, { ["accept-language"] = "en" }).body)
    assert.equal(2, #origin:requests())
  end)

  it("forgets what an unsafe request changed", function()
    local path = "/written?Cache-Control=max-age=60"
    local first = get(path)
    http.request(moongate.port, { method = "PUT", path = path, body = "new" })
    assert.not_equal(first.body, get(path).body)
  end)

  it("answers only-if-cached from the cache alone", function()
    local path = "/only?Cache-Control=max-age=60"
    local answer = get(path, { ["cache-control"] = "only-if-cached" })
    assert.equal(504, answer.status)
    assert.equal("application/problem+json", answer.headers["content-type"])
    assert.equal("moongate;detail=only-if-cached", answer.headers["cache-status"])
    assert.equal(0, #origin:requests())
    get(path)
    assert.equal(200, get(path, { ["cache-control"] = "only-if-cached" }).status)
  end)

  it("asks for keys before it answers from the cache", function()
    local path, key = "/private/a?Cache-Control=public,max-age=60", { ["x-api-key"] = "secret" }
    assert.equal(200, get(path, key).status)
    assert.equal(401, get(path).status)
    assert.matches("hit", get(path, key).headers["cache-status"])
  end)

  it("lets plugins change each answer, and stores it as it came", function()
    local path = "/changed/a?Cache-Control=max-age=60"
    for _ = 1, 2 do assert.equal("yes", get(path).headers["x-changed"]) end
    assert.equal(1, #origin:requests())
  end)

  it("keeps what it has through a reload", function()
    local path = "/reload?Cache-Control=max-age=60"
    local first = get(path)
    local file = moongate.directory .. "/gateway.lua"
    system.write_file(file, system.read_file(file) .. "\nroute '/new' { upstream = 'origin' }\n")
    assert.equal(0, (moongate:ask { "reload" }))
    assert.equal(first.body, get(path).body)
    assert.equal(1, #origin:requests())
  end)

  it("passes what has nothing to do with it", function()
    local path = "/post?Cache-Control=max-age=60"
    local answer = http.request(moongate.port, { method = "POST", path = path, body = "x" })
    assert.equal(200, answer.status)
    assert.matches("fwd=method", answer.headers["cache-status"])
    assert.equal("x", origin:requests()[1].body)
  end)
end)

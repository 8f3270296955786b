--- balance: which target a request goes to, as clients and targets see it.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

describe("balancing", function()
  local origins

  before_each(function() origins = {} end)
  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  -- A gateway in front of `count` targets, which say who they are. `options`: text of each target,
  -- `workers`, `settings`, `route`.
  local function start(count, upstream, options)
    options = options or {}
    local lines = {}
    for i = 1, count do
      origins[i] = peer.start(function(connection)
        while connection:read_request() do
          if not connection:answer(200, nil, tostring(i)) then return end
        end
      end)
      lines[i] = ('{ "%s", %s }'):format(origins[i].url, options[i] or "")
    end
    return gateway.start { config = ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      workers(%d)
      %s
      consumer "ann" { keys = { "ann-key" } }
      upstream "users" { %s, %s }
      route "/{rest*}" { upstream = "users", %s }
    ]]):format(options.workers or 1, options.settings or "", table.concat(lines, ", "),
      upstream or "", options.route or "") }
  end

  local function get(self, headers)
    local response = http.request(self.port, { path = "/", headers = headers })
    assert.equal(200, response.status)
    return response.body, response
  end

  -- How many of `count` requests, each on a connection of its own, went where.
  local function tally(self, count, headers)
    local counts = {}
    for i = 1, count do
      local who = get(self, type(headers) == "function" and headers(i) or headers)
      counts[who] = (counts[who] or 0) + 1
    end
    return counts
  end

  it("gives turns that all workers share: exact, whoever answers", function()
    local self = start(3, nil, { "weight = 3", "weight = 2", "weight = 1", workers = 2 })
    assert.same({ ["1"] = 30, ["2"] = 20, ["3"] = 10 }, tally(self, 60))
  end)

  it("goes on with the turns after a reload", function()
    local self = start(3)
    assert.equal("12", get(self) .. get(self))
    local path = self.directory .. "/gateway.lua"
    local file = assert(io.open(path, "a"))
    file:write '\nroute "GET /more" { upstream = "users", retries = 0 }\n'
    file:close()
    assert.equal(0, (self:ask { "reload" }))
    assert.equal("312", get(self) .. get(self) .. get(self))
  end)

  it("asks a backup only when the others cannot be", function()
    local self = start(2, "failures = 1, set_aside = 60", { nil, "backup = true" })
    assert.same({ ["1"] = 6 }, tally(self, 6))
    origins[1]:stop()
    assert.same({ ["2"] = 6 }, tally(self, 6))
  end)

  it("asks its own zone first", function()
    local self = start(3, nil, { 'zone = "north"', 'zone = "south"', nil,
      settings = 'zone "south"' })
    assert.same({ ["2"] = 6 }, tally(self, 6))
  end)

  describe("by hash", function()
    local function spread(self, headers)
      local counts = tally(self, 40, headers)
      return (counts["1"] or 0) > 0 and (counts["2"] or 0) > 0 and (counts["3"] or 0) > 0
    end

    -- The headers of a client's request for each of many keys.
    local BY = {
      ['"header:x-user"'] = function(key) return { ["x-user"] = key } end,
      ['"cookie:session"'] = function(key) return { cookie = "session=" .. key } end,
      ["function(req) return req.headers['x-user'] end"] = function(key)
        return { ["x-user"] = key }
      end,
    }

    for by, headers_of in pairs(BY) do
      it("sends the same key to the same target, by " .. by, function()
        local self = start(3, 'balance = "hash", bound = 0, by = ' .. by, { workers = 2 })
        for _, key in ipairs { "ann", "bob", "eve" } do
          local where = get(self, headers_of(key))
          assert.same({ [where] = 10 }, tally(self, 10, headers_of(key)))
        end
        assert.is_true(spread(self, function(i) return headers_of("user " .. i) end))
      end)
    end

    it("knows the consumer that a plugin has found", function()
      local self = start(3, 'balance = "hash", by = "consumer"',
        { route = 'plugins = { { "key-auth" } }' })
      local where = get(self, { ["x-api-key"] = "ann-key" })
      assert.same({ [where] = 9 }, tally(self, 9, { ["x-api-key"] = "ann-key" }))
    end)

    it("takes turns where a request has no key", function()
      local self = start(3, 'balance = "hash", by = "header:x-user"')
      assert.same({ ["1"] = 3, ["2"] = 3, ["3"] = 3 }, tally(self, 9))
    end)

    it("sends a key elsewhere while its target is away, others not", function()
      local self = start(3, 'balance = "hash", by = "header:x-user", failures = 1, '
        .. 'set_aside = "60s"')
      local before = {}
      for i = 1, 12 do before[i] = get(self, { ["x-user"] = "user" .. i }) end
      origins[1]:stop()
      for i = 1, 12 do
        local after = get(self, { ["x-user"] = "user" .. i })
        if before[i] == "1" then assert.are_not.equal("1", after)
        else assert.equal(before[i], after) end
      end
    end)
  end)

  describe("with a sticky cookie", function()
    local function cookie_of(response)
      local text = response.headers["set-cookie"]
      return text and text:match "^([^;]+)", text
    end

    it("keeps a client at its target, and tells nothing of it", function()
      local self = start(3, "sticky = {}", { workers = 2 })
      local where, response = get(self)
      local cookie, text = cookie_of(response)
      assert.matches("^moongate%-target=%x+$", cookie)
      assert.equal(cookie .. "; Path=/; HttpOnly; SameSite=Lax", text)
      assert.equal(16, #cookie:match "=(.*)")
      for _ = 1, 8 do
        local again, answer = get(self, { cookie = "a=b; " .. cookie })
        assert.equal(where, again)
        assert.is_nil(answer.headers["set-cookie"])
      end
    end)

    it("has the attributes that are configured", function()
      local self = start(1, [[sticky = { cookie = "stay", path = "/app", domain = "api.test",
        max_age = "1h", secure = true, http_only = false, same_site = "none" }]])
      local _, response = get(self)
      assert.matches("^stay=%x+; Path=/app; Domain=api%.test; Max%-Age=3600; SameSite=None; "
        .. "Secure$",
        response.headers["set-cookie"])
    end)

    it("takes another target, and says so, when that one is down", function()
      local self = start(2, 'sticky = {}, failures = 1, set_aside = "60s"')
      local where, response = get(self)
      local cookie = cookie_of(response)
      origins[tonumber(where)]:stop()
      local other, answer = get(self, { cookie = cookie })
      assert.are_not.equal(where, other)
      local new = cookie_of(answer)
      assert.are_not.equal(cookie, new)
      for _ = 1, 4 do assert.equal(other, (get(self, { cookie = new }))) end
    end)

    it("does as without one when the cookie is none of ours", function()
      local self = start(2, "sticky = {}")
      for _, value in ipairs { "0000000000000000", "zzzz", ("f"):rep(16), ("a"):rep(4000) } do
        local _, response = get(self, { cookie = "moongate-target=" .. value })
        assert.is_truthy(response.headers["set-cookie"])
      end
    end)

    it("is the same in gateways of the same key, and in no other", function()
      local key = '"0123456789abcdef"'
      local one = start(2, "sticky = { key = " .. key .. " }")
      local _, response = get(one)
      local cookie = cookie_of(response)
      local targets = ('{ "%s" }, { "%s" }'):format(origins[1].url, origins[2].url)
      local function other(sticky)
        return gateway.start { config = ([[
          listen "127.0.0.1:0"
          upstream "users" { %s, sticky = { %s } }
          route "/{rest*}" { upstream = "users" }
        ]]):format(targets, sticky) }
      end
      local _, known = get(other("key = " .. key), { cookie = cookie })
      assert.is_nil(known.headers["set-cookie"])
      local _, unknown = get(other 'key = "another key of 16"', { cookie = cookie })
      assert.is_truthy(unknown.headers["set-cookie"])
    end)
  end)

  it("by latency leaves a target that answers late", function()
    local slow = peer.start(function(connection)
      while connection:read_request() do
        connection:sleep(0.5)
        if not connection:answer(200, nil, "slow") then return end
      end
    end)
    local quick = peer.start()
    local self = gateway.start { config = ([[
      listen "127.0.0.1:0"
      upstream "users" { "%s", "%s", balance = "ewma" }
      route "/{rest*}" { upstream = "users" }
    ]]):format(slow.url, quick.url) }
    for _ = 1, 20 do http.request(self.port, { path = "/" }) end
    wait.that(function() return #slow:requests() + #quick:requests() == 20 end, 5, "requests")
    assert.is_true(#slow:requests() <= 4)
  end)
end)

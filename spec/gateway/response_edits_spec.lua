--- response_edits: response phases that C runs do what Lua does there, to the byte.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local peer = require "spec.support.peer"
local probe = require "spec.support.probe"
local refusal = require "spec.support.refusal"
local reloading = require "spec.support.reloading"
local wait = require "spec.support.wait"

-- Says who ran the response phase.
local WAY = [[
local way = { summary = "Tells the way.", options = {} }
function way:response(_, res) res.headers["x-way"] = "lua" end
function way.response_edits() return { { "set", "x-way", "c" } } end
return way
]]

-- Ends the request phase where the query says so, or raises.
local ENDS = [[
local moongate = require "moongate"
local ends = { summary = "Ends requests.", options = {} }
function ends:request(req)
  if req.query.ends == "reply" then return moongate.reply.text(403, "no", { ["x-old"] = "own" }) end
  if req.query.ends == "raise" then error "on purpose" end
end
return ends
]]

-- What plugins of an operator's own may say.
local OWN = [[
local own = { summary = "Says what it is told to.", options = {
  edits = { type = "any", default = false, help = "a function that returns them" } } }
function own:response() end
function own.response_edits(instance) return instance.edits and instance.edits() or nil end
return own
]]

local FILES = { ["plugins/way.lua"] = WAY, ["plugins/ends.lua"] = ENDS, ["plugins/own.lua"] = OWN }
for name, text in pairs(probe.files) do FILES[name] = text end

-- Generations of a worker that are not current (runtime/bridge/generation.h).
local RETIRED_MAX = 8

local LIMIT = '{ "rate-limit", limit = 4, window = "1h", name = "calls", by = "route" }'

-- By name: plugins; paths and methods asked for one after the other; more of the route; how many
-- of them are Lua's all the same.
local CASES = {
  fields = {
    plugins = [[{ "transform", response = {
      set_headers = { ["X-Set"] = "new", ["x-new"] = "", ["Content-Type"] = "text/a" },
      add_headers = { ["x-set"] = "beside", vary = "x-a" },
      remove_headers = { "X-Gone", "server" },
      rename_headers = { ["x-old"] = "X-Name", ["x-none"] = "x-other", ["x-same"] = "X-Same" } } }
    ]],
    "/headers/x-set=old&x-set=older&x-gone=1&x-old=a&x-name=b&X-Old=&x-other=c&x-same=d&x-same=e",
    "/headers/content-type=text/b&vary=x-b", "/bytes/10", "/chunked/3", "/hints", "/until-close/9",
    "/status/204", "/status/304", "/status/500", "/fault/close-after-request",
    "/bytes/3?ends=reply", "/bytes/3?ends=raise", { "HEAD", "/bytes/10" }, { "POST", "/count" },
    "/bytes/1",
  },
  status = {
    plugins = [[{ "transform", response = { status = 418, set_headers = { ["x-a"] = "b" } } }]],
    by_lua = 2, -- a body cannot be had, or left out, for a status
    "/bytes/10", "/status/204", "/status/404", "/bytes/3?ends=reply", "/fault/close-after-request",
    { "HEAD", "/bytes/10" }, "/status/304", "/bytes/10",
  },
  empty = {
    plugins = '{ "transform", response = { status = 204 } }', by_lua = 2,
    "/status/204", "/status/304",
    "/bytes/10", "/status/205", "/status/304",
  },
  order = {
    plugins = [[{ "transform", response = { set_headers = { ["x-last"] = "first", a = "1" } } },
      { "transform", response = { set_headers = { ["x-last"] = "second" },
        add_headers = { b = "2" }, rename_headers = { b = "c" } } },
      { "transform", response = { rename_headers = { ["x-last"] = "b" }, status = 299 } },
      { "transform", response = { set_headers = { ["x-last"] = "third" }, status = 298 } }]],
    "/headers/a=0&b=0&c=0", "/bytes/1", "/bytes/1",
  },
  limit = {
    plugins = LIMIT, "/bytes/1", "/bytes/1", { "HEAD", "/bytes/1" }, "/bytes/1?ends=reply",
    "/bytes/1", "/bytes/1",
  },
  limits = {
    plugins = [[{ "rate-limit", by = "route", limits = {
        { limit = 9, window = "1h", name = "hour" }, { limit = 3, window = "90s", name = 'q"' },
        { limit = 5, window = 3600.5, name = "part" } } },
      { "transform", response = { add_headers = { ["ratelimit"] = "own" } } },
      { "rate-limit", limit = 7, window = "1h", name = "other", by = "route" },
      { "quota", limit = 8, name = "used", by = "route", persist = false }]],
    "/bytes/1", "/headers/ratelimit=theirs&ratelimit-policy=x", "/bytes/1?ends=raise", "/bytes/1",
    "/bytes/1",
  },
  wide = {
    plugins = '{ "rate-limit", limit = 1000, window = "1h", name = "calls", by = "route" }',
    "/bytes/1", "/bytes/1",
  },
  twice = { plugins = LIMIT .. "," .. LIMIT, "/bytes/1", "/bytes/1", "/bytes/1" },
  -- What Lua's object of fields has functions of that name.
  methods = {
    plugins = [[{ "transform", response = { rename_headers = { list = "x-list", get = "all" } } }]],
    "/headers/x-list=1&all=2", "/headers/list=1&x-list=2&get=3&all=4", "/bytes/1",
  },
  denied = {
    plugins = [[{ "rate-limit", limit = 2, window = "1h", name = "asked", missing = "deny",
      by = function(req) return req.query.who and req.route .. req.query.who end }]],
    "/bytes/1?who=a", "/bytes/1", "/bytes/1?who=a", "/bytes/1?who=a",
  },
  plan = {
    plugins = [["key-auth", { "rate-limit", limit = 5, window = "1h", by = "route", plan = true,
      name = "plans" }]],
    key = "planned", "/bytes/1", "/bytes/1", "/bytes/1",
  },
  silent = {
    plugins = [[{ "rate-limit", limit = 5, headers = "none" }, { "quota", limit = 5, by = "route",
      persist = false, headers = "none" }]], "/bytes/1", "/bytes/1",
  },
  cors = {
    plugins = [[{ "cors", expose = { "x-a", "x-b" } }, { "cors" },
      { "transform", response = { set_headers = { ["access-control-allow-origin"] = "none" } } }]],
    "/headers/access-control-allow-credentials=true&vary=a", { "OPTIONS", "/bytes/1" }, "/bytes/1",
    "/fault/close-after-request",
  },
  id = {
    plugins = [[{ "request-id", trust = true }, { "request-id", header = "X-Also" }]],
    "/bytes/1", "/headers/x-request-id=theirs", "/bytes/1?ends=raise", "/fault/close-after-request",
  },
  cached = {
    plugins = [[{ "cache", ttl = "1m" }, { "transform", response = { remove_headers = { "x-gone" },
      set_headers = { ["x-a"] = "b" }, status = 203 } }]],
    "/headers/x-gone=1", "/headers/x-gone=1", { "HEAD", "/headers/x-gone=1" }, "/headers/x-gone=1",
  },
  retried = {
    plugins = LIMIT, upstream = "shaky", more = "retries = 3,", "/bytes/1", "/bytes/2", "/bytes/3",
  },
  gathered = {
    plugins = LIMIT .. [[, { "aggregate", parts = { a = { "http://up/bytes/{n}" } } }]],
    path = "/{n}", upstream = false, "/1", "/2", "/3",
  },
}

describe("response_edits", function()
  local origin, shaky, refusing, keeper

  setup(function()
    origin = peer.start()
    shaky = peer.start(function(connection)
      require("spec.support.peer_answers").closing_after(1)(connection)
    end)
    refusing, keeper = peer.refusing()
  end)

  teardown(function()
    keeper:close()
    peer.stop_all()
  end)

  after_each(gateway.stop_all)

  local function head()
    return ([[
      listen "127.0.0.1:0"
      admin "127.0.0.1:0"
      memory { cache = "16m" }
      upstream "up" { "%s" }
      upstream "shaky" { "http://127.0.0.1:%d", "%s" }
      plan "small" { limit = 2, window = "1h" }
      consumer "planned" { keys = { "planned" }, plan = "small" }
    ]]):format(origin.url, refusing, shaky.url)
  end

  -- What is said of limits, in the order in which it is; without the seconds.
  local function told(self, name, path)
    local answer = http.request(self.port, { path = ("/c/%s%s"):format(name, path) })
    local texts = {}
    for _, line in ipairs(answer.lines) do
      if line[1] == "ratelimit" then texts[#texts + 1] = line[2]:match "^(.*);t=%d+$" end
    end
    return texts, answer.headers["x-way"]
  end

  -- What keeps a chain with Lua: a step that does nothing, and cannot be told.
  local BY_LUA = ', { "probe", on_response = function() end }'

  local function route(way, name, case)
    local path = ("/%s/%s%s"):format(way, name, case.path or "/{rest*}")
    local upstream = case.upstream == false and "" or ('upstream = "%s", rewrite = "/{rest*}",')
      :format(case.upstream or "up")
    return ('route "%s" { name = "%s %s", %s %s plugins = { "way", "ends", %s%s } }\n'):format(
      path, way, name, upstream, case.more or "", case.plugins, way == "lua" and BY_LUA or "")
  end

  local function start(...)
    local text = { head() }
    for _, name in ipairs { ... } do
      for _, way in ipairs { "c", "lua" } do text[#text + 1] = route(way, name, CASES[name]) end
    end
    return reloading.start { config = table.concat(text), files = FILES }
  end

  local DIFFERS = {
    { "\r\nx%-way: %w+", "" }, { "\r\ndate: [^\r]+", "" }, { ";t=%d+", ";t=N" },
    { "retry%-after: %d+", "retry-after: N" }, { '"instance":"[^"]*"', '"instance":"ID"' },
    { "X%-Also: [^\r]+", "X-Also: ID" }, { "x%-request%-id: %x+\r", "x-request-id: ID\r" },
  }

  -- All bytes of the answer but what differs from one to the next; and who ran the phase.
  local function ask(self, way, name, what)
    local method, path = "GET", what
    if type(what) == "table" then method, path = what[1], what[2] end
    local answer, how = http.exchange(self.port, http.format {
      method = method, path = ("/%s/%s%s"):format(way, name, path),
      headers = { { "Connection", "close" }, { "X-Request-Id", "id-of-the-client" },
        { "Origin", "https://a.example" }, { "X-Api-Key", CASES[name].key or "" } },
      body = method == "POST" and "text" or nil })
    assert.equal("closed", how)
    local ran_by = answer:match "\r\nx%-way: (%w+)\r\n"
    for _, change in ipairs(DIFFERS) do answer = answer:gsub(change[1], change[2]) end
    return answer, ran_by
  end

  for name, case in pairs(CASES) do
    it("are as from Lua: " .. name, function()
      local self, counts = start(name), { c = 0, lua = 0 }
      -- The first answer of each route is Lua's.
      for _, way in ipairs { "lua", "c" } do
        assert.equal("lua", select(2, ask(self, way, name, case[#case])))
      end
      for _, what in ipairs(case) do
        local expected, by_lua = ask(self, "lua", name, what)
        local answer, by = ask(self, "c", name, what)
        assert.equal(expected, answer)
        assert.equal("lua", by_lua)
        counts[by] = counts[by] + 1
      end
      assert.same({ c = #case - (case.by_lua or 0), lua = case.by_lua or 0 }, counts)
    end)
  end

  it("tell of each limit what its step has noted at last, the last step first", function()
    local self = start("twice", "limits")
    for number, way in ipairs { "lua", "c" } do
      local texts, by = told(self, "twice", "/bytes/1")
      local second, first = 4 - 2 * number, 5 - 2 * number
      assert.same({ way, { '"calls";r=' .. second, '"calls";r=' .. first } }, { by, texts })
      texts, by = told(self, "limits", "/bytes/1")
      local left = { '"used";r=%d', '"other";r=%d', '"hour";r=%d', '"q\\"";r=%d', '"part";r=%d' }
      for i, all in ipairs { 8, 7, 9, 3, 5 } do left[i] = left[i]:format(all - number) end
      assert.same({ way, left }, { by, texts })
    end
  end)

  it("are Lua's where they depend on the request, have a condition or see the body", function()
    local plugins = {
      place = '{ "transform", response = { set_headers = { ["x-a"] = "{method}" } } }',
      condition = '{ "transform", when = function() return true end, response = { status = 201 } }',
      legacy = '{ "rate-limit", limit = 5, headers = "legacy" }',
      charged = '{ "quota", limit = 5, by = "route", persist = false, charge = "response" }',
      origins = '{ "cors", origins = { "https://a.example" } }',
      body = '{ "probe", on_response_body = function(_, _, body) return body end }',
      undecided = '{ "own" }',
    }
    local text = { head() }
    for name, given in pairs(plugins) do text[#text + 1] = route("c", name, { plugins = given }) end
    local self = gateway.start { config = table.concat(text), files = FILES }
    for name in pairs(plugins) do
      for _ = 1, 3 do
        local answer = http.request(self.port, { path = ("/c/%s/bytes/1"):format(name) })
        assert.equal("lua", answer.headers["x-way"], name)
      end
    end
  end)

  it("may stand beside conditions of other phases, and errors of observers", function()
    local self = gateway.start { files = FILES, config = head() .. [[
      route "/a" { upstream = "up", rewrite = "/bytes/1", plugins = { "way",
        { "ends", when = function() return false end }, { "cors", on_error = "fail" },
        { "probe", on_response_chunk = function(_, _, chunk) return chunk .. "!" end },
        { "own", on_error = "continue",
          edits = function() return { { "add", "x-b", "c" } } end } } }
    ]] }
    for _, way in ipairs { "lua", "c", "c" } do
      local answer = http.request(self.port, { path = "/a?ends=raise" })
      assert.same({ 200, way, way == "c" and "c" or "none" },
        { answer.status, answer.headers["x-way"], answer.headers["x-b"] or "none" })
      assert.matches("^0!", answer.body)
    end
  end)

  local function many(count)
    local fields = {}
    for i = 1, count do fields[i] = ("f%d=1"):format(i) end
    return "/headers/" .. table.concat(fields, "&")
  end

  it("raise where there are too many fields, as Lua does", function()
    local self = start("wide", "fields")
    for _, name in ipairs { "wide", "fields" } do
      local ran_by
      for _, way in ipairs { "lua", "c" } do
        for _ = 1, 2 do _, ran_by = ask(self, way, name, "/bytes/1") end
      end
      assert.equal("c", ran_by)
      local before = #self:log()
      -- A peer's answer has Content-Length and Date, too, or one of them.
      for count = 249, 256 do
        assert.equal((ask(self, "lua", name, many(count))), (ask(self, "c", name, many(count))))
      end
      local raised = "plugin %s raised in its response phase, route %s %s: [^\n]*too many fields"
      local plugin = name == "wide" and "rate%-limit" or "transform"
      local function times(way)
        return select(2, self:log():sub(before):gsub(raised:format(plugin, way, name), ""))
      end
      wait.that(function() return times "c" > 1 and times "c" == times "lua" end)
    end
  end)

  -- As "plugin route" -> calls.
  local function calls(self)
    local found = {}
    local text = http.request(self.admin_port, { path = "/metrics" }).body
    for plugin, name, value in text:gmatch(
        '\nmoongate_plugin_calls_total{plugin="([^"]*)",route="([^"]*)"} (%S+)') do
      found[plugin .. " " .. name] = tonumber(value)
    end
    return found
  end

  it("are counted call by call", function()
    local self = start("limits", "order")
    for _, way in ipairs { "c", "lua" } do
      for _ = 1, 5 do
        ask(self, way, "limits", "/bytes/1")
        ask(self, way, "order", "/bytes/1?ends=reply")
      end
    end
    local counted = calls(self)
    for _, key in ipairs { "way %s limits", "rate-limit %s limits", "quota %s limits",
        "transform %s limits", "ends %s order", "transform %s order" } do
      assert.equal(counted[key:format "lua"], counted[key:format "c"], key)
    end
    assert.equal(18, counted["rate-limit c limits"]) -- the first one refuses twice
    assert.equal(20, counted["transform c order"])
    assert.equal(5, counted["way c order"])
  end)

  it("have their time measured", function()
    local self = start "fields"
    -- Far enough from one another for each to be measured.
    for _ = 1, 20 do ask(self, "c", "fields", "/delay/0.01") end
    local text = http.request(self.admin_port, { path = "/metrics" }).body
    local seconds = text:match(
      'moongate_plugin_cpu_seconds_total{plugin="transform",route="c fields"} (%S+)')
    assert.is_true(tonumber(seconds) > 0 and tonumber(seconds) < 0.1, seconds)
  end)

  it("are those of `use` where no route matches", function()
    local self = gateway.start { files = FILES,
      config = head() .. 'use { "way", { "cors" }, { "request-id", header = "x-also" } }' }
    for _, way in ipairs { "lua", "c", "c" } do
      local answer = http.request(self.port, { path = "/nowhere" })
      assert.same({ 404, way, "*" }, { answer.status, answer.headers["x-way"],
        answer.headers["access-control-allow-origin"] })
      assert.equal(json.decode(answer.body).instance:match "%w+$",
        answer.headers["x-also"]:match "%w+$")
    end
  end)

  it("are shared by routes that have the same steps, each of which Lua tells of", function()
    local self = gateway.start { files = FILES, config = head() .. [[
      for i = 1, 3 do
        route("/" .. i) { upstream = "up", rewrite = "/bytes/1", plugins = { "way", "cors" } }
      end ]] }
    for _, way in ipairs { "lua", "c" } do
      for i = 1, 3 do
        assert.equal(way, http.request(self.port, { path = "/" .. i }).headers["x-way"])
      end
    end
  end)

  it("change with the configuration, and not for requests that are under way", function()
    local self = start "fields"
    for _ = 1, 2 do ask(self, "c", "fields", "/bytes/1") end
    local client = http.connect(self.port)
    client:send(http.format { path = "/c/fields/delay/1" })
    origin:wait_for_requests(3)
    self:reload { ["gateway.lua"] = head() .. route("c", "fields", { plugins =
      '{ "transform", response = { set_headers = { ["x-set"] = "newer" } } }' }) }
    for _, way in ipairs { "lua", "c" } do
      local answer = http.request(self.port, { path = "/c/fields/bytes/1" })
      assert.same({ way, "newer" }, { answer.headers["x-way"], answer.headers["x-set"] })
    end
    local answer = client:read_response()
    assert.same({ "c", { "new", "beside" } }, { answer.headers["x-way"], answer.headers["x-set"] })
  end)

  it("leave fields that the log reads when their generation has gone", function()
    local use = [[use { { "probe", on_log = function(_, res, moongate)
      moongate.log.info("set: " .. tostring(res.headers["x-set"])) end } }]]
    local config = head() .. use .. route("c", "fields", CASES.fields)
    local self = reloading.start { config = config, files = FILES }
    -- Clients that do not read keep their requests on their generations, until these are too many.
    local clients = {}
    local function hold()
      ask(self, "c", "fields", "/bytes/1")
      clients[#clients + 1] = http.connect(self.port)
      clients[#clients]:send(http.format { path = "/c/fields/bytes/50000000" })
      assert.equal("c", clients[#clients]:read_head().headers["x-way"])
    end
    for i = 1, RETIRED_MAX + 1 do
      hold()
      self:reload { ["gateway.lua"] = config .. ("-- %d"):format(i) }
    end
    self:reload { ["gateway.lua"] = head() .. use }
    wait.that(function()
      local answer = http.request(self.admin_port, { path = "/status" })
      return json.decode(answer.body).generations == RETIRED_MAX + 1
    end, 60)
    local before = #self:log()
    clients[1]:close()
    self:wait_for_log("set: new, beside", 20, before)
    for i = 2, #clients do clients[i]:close() end
  end)

  it("are refused where they are no edits, with the place", function()
    for given, expected in pairs {
      ['"text"'] = "text is no list",
      ['{ set = { "a", "b" } }'] = "of its 1 values, the first 0 alone make a list",
      ['{ { "remove", "a" }, [3] = { "remove", "b" } }'] = "of its 2 values, the first 1 alone",
      ['{ "set" }'] = '%[1%]: expected { "set", name, value } or the like',
      ['{ { "sett", "a", "b" } }'] = 'there is no "sett"; did you mean "set"?',
      ['{ { "limits" }, { "set", "a" } }'] = '%[2%]: "set" has 1 values; expected 2',
      ['{ { "set", "a", 5 } }'] = "there is a number; expected a string",
      ['{ { "set", "a b", "c" } }'] = 'header "a b" is not a field name',
      ['{ { "add", "a", "b\\n" } }'] = "would get a value that no field may have",
      ['{ { "remove", "connection" } }'] = "is written by the gateway itself",
      ['{ { "rename", "a", "content-length" } }'] = "is written by the gateway itself",
      ['{ { "set_id", "" } }'] = "is not a field name",
      ['{ { "status", 199 } }'] = "199 is not the status of a final answer",
      ['{ { "status", "204" } }'] = "is not the status of a final answer",
      ['{ { "limits" }, { "limits" } }'] = '"limits" is there twice',
      ['error("on purpose")'] = "raised: .*on purpose",
    } do
      local message = refusal.of(([[
        listen "127.0.0.1:0"
        route "/" { upstream = "http://127.0.0.1:1",
          plugins = { { "own", edits = function() return %s end } } }
      ]]):format(given), FILES)
      assert.matches("gateway%.lua:2: own: response_edits.*" .. expected, message)
    end
  end)

  it("need a response that does the same", function()
    local message = refusal.of([[
      listen "127.0.0.1:0"
      route "/" { upstream = "http://127.0.0.1:1", plugins = { "half" } } ]], {
      ["plugins/half.lua"] = [[
        return { summary = "Half.", options = {}, response_edits = function() return {} end } ]] })
    assert.matches("it has response_edits; expected a response that does the same", message)
  end)
end)

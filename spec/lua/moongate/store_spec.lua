--- store_spec: what plugins keep beyond a restart, over two workers.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local refusal = require "spec.support.refusal"
local system = require "spec.support.system"
local wait = require "spec.support.wait"

local KEEP = [[
  local moongate = require "moongate"
  local reply, moon_store = moongate.reply, moongate.store
  local keys, others = moon_store "keys", moon_store "others"
  local seen = {}
  local keep = { summary = "Keeps.", options = {} }

  function keep:start()
    keys:watch("w/", function(key) seen[#seen + 1] = key or "(all)" end)
  end

  local function answer(...) return reply.json(200, { ... }) end
  local verbs = {}
  function verbs.get(q) return answer(keys:get(q.key)) end
  function verbs.put(q)
    return answer(keys:put(q.key, q.value, q.seconds and tonumber(q.seconds)))
  end
  function verbs.delete(q) return answer(keys:delete(q.key)) end
  function verbs.cas(q) return answer(keys:compare_and_set(q.key, q.expected, q.value)) end
  function verbs.add(q) return answer(keys:add(q.key, tonumber(q.amount))) end
  function verbs.other(q) return answer(others:put(q.key, q.value)) end
  function verbs.seen() return reply.json(200, moongate.json.array(seen)) end
  function verbs.scan(q)
    local list = moongate.json.array {}
    for key, value in keys:scan(q.prefix, q.after) do list[#list + 1] = key .. "=" .. value end
    return reply.json(200, list)
  end
  function verbs.batch(q)
    return answer((keys:batch():put_new("one", "1"):add("sum", 3):check("guard", q.guard)
      :delete("gone"):commit()))
  end
  function keep:respond(req) return verbs[req.params.verb](req.query) end
  return keep
]]

local CONFIG = [[
  workers(2)
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  %s
  route "/{verb}" { plugins = { "keep" } }
]]

describe("moongate.store", function()
  local moongate, connections
  local folder = system.temporary_directory()

  local function start()
    moongate = gateway.start {
      config = CONFIG:format(('store { path = "%s/state", size = "4m" }'):format(folder)),
      files = { ["plugins/keep.lua"] = KEEP },
    }
  end

  setup(start)

  teardown(function() gateway.stop_all() end)

  local function ask(target, connection)
    local answer = http.request(moongate.port, { path = target, connection = connection })
    assert.equal(200, answer.status, answer.body)
    return json.decode(answer.body)
  end

  it("keeps texts until they are deleted", function()
    assert.same({ true }, ask "/put?key=a&value=1")
    assert.same({ "1" }, ask "/get?key=a")
    assert.same({ true }, ask "/put?key=a&value=two%20%00")
    assert.same({ "two \0" }, ask "/get?key=a")
    assert.same({ true }, ask "/delete?key=a")
    assert.same({}, ask "/get?key=a")
  end)

  it("keeps those of another name apart", function()
    ask "/other?key=a&value=other"
    assert.same({}, ask "/get?key=a")
    assert.same({}, ask "/scan?prefix=")
  end)

  it("compares, and sets", function()
    assert.same({ true }, ask "/cas?key=c&value=1")
    assert.same({ false, "conflict" }, ask "/cas?key=c&value=2")
    assert.same({ false, "conflict" }, ask "/cas?key=c&expected=2&value=3")
    assert.same({ true }, ask "/cas?key=c&expected=1&value=3")
    ask "/delete?key=c"
  end)

  it("adds", function()
    assert.same({ 5 }, ask "/add?key=n&amount=5")
    assert.same({ 3 }, ask "/add?key=n&amount=-2")
    ask "/put?key=t&value=text"
    assert.same({ json.null, "the value is not a whole number" }, ask "/add?key=t&amount=1")
    ask "/delete?key=n"
    ask "/delete?key=t"
  end)

  it("adds whole numbers alone, and knows no time that is none", function()
    for _, query in ipairs { "add?key=n&amount=1.5", "add?key=n&amount=nan", "add?key=n&amount=inf",
      "put?key=n&value=1&seconds=nan", "put?key=n&value=1&seconds=-1" } do
      assert.equal(500, http.request(moongate.port, { path = "/" .. query }).status)
    end
    for _, text in ipairs { "expected a whole number, not 1.5",
      "a number of seconds above 0, not -1" } do
      wait.that(function() return moongate:log():find(text, 1, true) end)
    end
  end)

  it("lists by prefix, and goes on behind a key", function()
    for _, key in ipairs { "p/1", "p/2", "p/3", "q" } do ask("/put?value=v&key=" .. key) end
    assert.same({ "p/1=v", "p/2=v", "p/3=v" }, ask "/scan?prefix=p/")
    assert.same({ "p/3=v" }, ask "/scan?prefix=p/&after=p/2")
    assert.same({ "p/1=v", "p/2=v", "p/3=v", "q=v" }, ask "/scan")
  end)

  it("does all of a batch or nothing", function()
    ask "/put?key=gone&value=x"
    assert.same({ false }, ask "/batch?guard=x")
    assert.same({ "x" }, ask "/get?key=gone")
    assert.same({ true }, ask "/batch")
    assert.same({}, ask "/get?key=gone")
    assert.same({ "3" }, ask "/get?key=sum")
    assert.same({ false }, ask "/batch") -- `one` is there already
  end)

  it("forgets what has expired", function()
    ask "/put?key=soon&value=1&seconds=0.2"
    wait.that(function() return #ask "/get?key=soon" == 0 end)
  end)

  it("tells all workers what has changed, within a second", function()
    -- Connections are spread over the workers: some of these are with each of them.
    connections = {}
    for i = 1, 16 do connections[i] = http.connect(moongate.port) end
    local function all_see(expected)
      for _, connection in ipairs(connections) do
        local answer = connection:request { path = "/seen" }
        if answer.body ~= expected then return false end
      end
      return true
    end
    local before = system.now()
    ask "/put?key=w/1&value=1"
    ask "/put?key=x/1&value=1"
    ask "/delete?key=w/1"
    wait.that(function() return all_see '["w\\/1","w\\/1"]' or all_see '["w/1","w/1"]' end)
    assert.is_true(system.now() - before < 5)
    for _, connection in ipairs(connections) do connection:close() end
  end)

  it("has everything after a restart", function()
    ask "/put?key=kept&value=yes"
    moongate:stop()
    start()
    assert.same({ "yes" }, ask "/get?key=kept")
  end)

  it("says when it is full, counts that, and goes on when there is room again", function()
    local function put(key)
      return http.request(moongate.port, { path = ("/put?key=%s&value=%s"):format(key,
        ("x"):rep(7000)) }).body
    end
    local count = 0
    repeat
      count = count + 1
      local answer = put("f" .. count)
    until answer ~= "[true]" or count == 4000
    assert.equal('[false,"the store is full"]', put "one-more")
    local metrics = http.request(moongate.admin_port, { path = "/metrics" }).body
    assert.is_true(tonumber(metrics:match "\nmoongate_store_errors_total (%d+)") >= 1)
    for i = 1, 20 do assert.same({ true }, ask("/delete?key=f" .. i)) end
    wait.that(function() return put "one-more" == "[true]" end)
  end)

  it("is not there without a word in the configuration, which says so", function()
    local without = gateway.start { config = CONFIG:format "",
      files = { ["plugins/keep.lua"] = KEEP:gsub("keys:watch%b()", "") } }
    local answer = http.request(without.port, { path = "/get?key=a" })
    assert.equal(500, answer.status)
    without:wait_for_log "there is no store; the configuration needs store { path = "
    without:stop()
  end)

  it("keeps a gateway from starting whose store cannot be opened", function()
    local said = refusal.of [[
      listen "127.0.0.1:0"
      store { path = "none/below" }
      route "/" { upstream = "http://127.0.0.1:1" }
    ]]
    assert.matches("the store in .*none/below cannot be opened: No such file or directory", said)
    assert.matches("store: path is missing", refusal.of [[
      listen "127.0.0.1:0"
      store {}
    ]])
  end)
end)

-- Histories made by chance, the same chance in each run: whatever users, upstreams and reloads do,
-- and in whatever order, a call says what it may say and nothing is left behind.

local ffi = require "ffi"
local upstream = require "spec.support.upstream"

local C = upstream.C

local STEPS = 1500
local STREAMS_MAX = 480 -- the fake protocol keeps no more
local FAULTS = {
  "upstream-closed", "upstream-closed", "upstream-timeout", "upstream-malformed",
  "upstream-incomplete", "upstream-refused",
}

describe("call_state", function()
  local random, driver, cluster, ports, calls, heard

  local function one_of(list) return list[random(#list)] end

  -- Streams that can still be told something, with what they were told.
  local function listening()
    local found = {}
    for number = 1, C.fake_streams_opened() do
      heard[number] = heard[number] or {}
      if C.fake_session_of(number) ~= 0 and not heard[number].failed then
        found[#found + 1] = number
      end
    end
    return found
  end

  local function unreleased()
    local found = {}
    for _, call in ipairs(calls) do
      if not call.last_text then found[#found + 1] = call end
    end
    return found
  end

  local tell = {
    function(number)
      local is_complete = ffi.string(C.fake_sent(number)):find("$", 1, true)
      if heard[number].sent or not is_complete then return end
      heard[number].sent = true
      C.fake_tell_sent(number)
    end,
    function(number) C.fake_tell_writable(number) end,
    function(number)
      if not heard[number].answered then C.fake_informational(number, 103) end
    end,
    function(number)
      if heard[number].answered then return end
      heard[number].answered = true
      C.fake_respond(number, 200)
    end,
    function(number)
      if heard[number].answered and not heard[number].ended then C.fake_data(number, "x") end
    end,
    function(number)
      if not heard[number].answered or heard[number].ended then return end
      heard[number].ended = true
      C.fake_end(number)
    end,
    function(number)
      if heard[number].ended then return end
      heard[number].failed = true
      C.fake_fail(number, upstream.fault(one_of(FAULTS)))
    end,
  }

  local function reload()
    local targets = {}
    for _, port in ipairs(ports) do
      if random() < 0.7 then targets[#targets + 1] = { port, weight = random(5) } end
    end
    driver:cluster(targets, {
      balance = random(0, 1), connections_max = random(0, 6), idle_connections_max = random(0, 4),
      idle_seconds = one_of { 0.003, 60 }, failures_max = random(3), set_aside_seconds = 0.004,
      retries = random(0, 4),
    })
  end

  local act = {
    function()
      if C.fake_streams_opened() > STREAMS_MAX - 60 then return end
      calls[#calls + 1] = driver:call(cluster, one_of { "GET", "GET", "POST", "PUT" })
      if random() < 0.1 then calls[#calls]:release_when_told() end
    end,
    function()
      local list = listening()
      if #list > 0 then one_of(tell)(one_of(list)) end
    end,
    function()
      local list = listening()
      if #list > 0 and random() < 0.2 then C.fake_hang_up(C.fake_session_of(one_of(list))) end
    end,
    function() driver:run(0.0005) end,
    function() C.fake_block(random() < 0.3) end,
    function() if random() < 0.05 then reload() end end,
  }

  local use = {
    function(call) if not call.is_finished then call:data(("d"):rep(random(3000))) end end,
    function(call) if not call.is_finished then call:finish() end end,
    function(call) call:pause() end,
    function(call) call:resume() end,
    function(call) if random() < 0.3 then call:free() end end,
  }

  -- A call that released itself takes nothing more.
  local function use_some_call()
    local list = unreleased()
    if #list == 0 then return end
    local call = one_of(list)
    if call:is_released() then call:free() else one_of(use)(call) end
  end

  local function check(call)
    local text = call:text()
    assert.is_nil(text:find "%u")
    for _, once in ipairs { "failed", "end, ", "sent, ", "response" } do
      local _, count = text:gsub(once, "")
      assert.is_true(count <= 1, text)
    end
    assert.is_nil(text:find "failed [^,]+, .")
    assert.is_nil(text:find "response.*informational")
    assert.is_nil(text:find "data.*response")
  end

  for seed = 1, 12 do
    it(("holds in history %d"):format(seed), function()
      math.randomseed(seed)
      random = math.random
      driver = upstream.driver { capacity = random(3) }
      ports, calls, heard = {}, {}, {}
      for i = 1, 3 do ports[i] = driver:listen() end
      ports[4] = driver:refusing_port()
      cluster = driver:cluster(ports)
      for _ = 1, STEPS do
        one_of(act)()
        use_some_call()
      end
      for _, call in ipairs(calls) do
        call:free()
        check(call)
      end
      driver:run(0.02)
      local idle = 0
      for busy, kept in driver:status(cluster):gmatch "busy (%d+) idle (%d+)" do
        assert.equal("0", busy)
        idle = idle + kept
      end
      assert.equal(idle, C.fake_sessions_alive())
      assert.is_true(#calls > 20)
      driver:close()
    end)
  end
end)

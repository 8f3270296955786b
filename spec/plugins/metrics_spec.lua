--- metrics: what is counted, and that /metrics says it in Prometheus' text format.

local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local peer = require "spec.support.peer"
local wait = require "spec.support.wait"

-- A parser of the text format 0.0.4, strict about what it knows: families as { type =, help =,
-- samples = { [name and labels] = value }, order = { keys } }.
local function parse(text)
  local families, family = {}, nil
  assert.equal("\n", text:sub(-1))
  for line in text:gmatch "([^\n]*)\n" do
    local name, help = line:match "^# HELP ([%a_:][%w_:]*) (.*)$"
    if name then
      assert.is_nil(families[name], "twice: " .. name)
      family = { name = name, help = help, samples = {}, order = {} }
      families[name] = family
    elseif line:find "^# TYPE " then
      local named, kind = line:match "^# TYPE (%S+) (%a+)$"
      assert.equal(family.name, named)
      family.type = kind
    else
      local key, value = line:match "^(.+) (%S+)$"
      local sample = key:match "^[%w_:]+"
      local base = family.type == "histogram" and sample:gsub("_bucket$", ""):gsub("_sum$", "")
        :gsub("_count$", "") or sample
      assert.equal(family.name, base, line)
      assert.is_nil(family.samples[key], "twice: " .. key)
      family.samples[key] = assert(tonumber(value), line)
      family.order[#family.order + 1] = key
    end
  end
  return families
end

describe("metrics", function()
  local moongate, upstream

  local function read()
    local answer = http.request(moongate.admin_port, { path = "/metrics" })
    assert.equal(200, answer.status)
    assert.equal("text/plain; version=0.0.4; charset=utf-8", answer.headers["content-type"])
    return parse(answer.body)
  end

  -- The families, once that sample has that value: read again, as others may have been read
  -- before that one while a request was just being counted.
  local function wait_for(family, key, value)
    wait.that(function()
      local families = read()
      return families[family] and families[family].samples[key] == value
    end, nil, key .. " to be " .. value)
    return read()
  end

  before_each(function()
    upstream = peer.start()
    moongate = gateway.start {
      config = ([[
        workers(2)
        listen "127.0.0.1:0"
        admin "127.0.0.1:0"
        upstream "users" { "%s" }
        use { { "metrics" } }
        route "/bytes/{n}" { upstream = "users", name = 'a "b" \\c' }
        route "/status/{code}" { upstream = "users", name = "codes" }
        route "/gone" { upstream = "http://127.0.0.1:1", retries = 1, name = "gone" }
        route "/fault/{name}" { upstream = "users", name = "faults" }
      ]]):format(upstream.url),
    }
  end)

  after_each(function()
    gateway.stop_all()
    peer.stop_all()
  end)

  it("counts by route and status, over all workers, with escaped labels", function()
    for _ = 1, 12 do http.request(moongate.port, { path = "/bytes/100" }) end
    http.request(moongate.port, { path = "/status/404" })
    http.request(moongate.port, { path = "/nowhere" })
    http.request(moongate.port, { path = "/bytes/1", method = "POST", body = "12345" })
    local route = [[route="a \"b\" \\c"]]
    wait_for("moongate_requests_total",
      "moongate_requests_total{" .. route .. ',status="200"}', 13)
    wait_for("moongate_requests_total", 'moongate_requests_total{route="codes",status="404"}', 1)
    local families = wait_for("moongate_requests_total",
      'moongate_requests_total{route="none",status="404"}', 1)
    assert.equal("counter", families.moongate_requests_total.type)
    assert.equal(5, families.moongate_request_body_bytes_total.samples[
      "moongate_request_body_bytes_total{" .. route .. "}"])
    assert.equal(1201, families.moongate_response_body_bytes_total.samples[
      "moongate_response_body_bytes_total{" .. route .. "}"])
    assert.equal(13, families.moongate_upstream_attempts_total.samples[
      "moongate_upstream_attempts_total{" .. route .. "}"])
    assert.equal(2, families.moongate_workers.samples.moongate_workers)
  end)

  it("shows durations as a histogram that adds up", function()
    for _ = 1, 3 do http.request(moongate.port, { path = "/bytes/1" }) end
    local route = [[route="a \"b\" \\c"]]
    local count = "moongate_request_seconds_count{" .. route .. "}"
    local family = wait_for("moongate_request_seconds", count, 3).moongate_request_seconds
    assert.equal("histogram", family.type)
    local before, bound_before, buckets = 0, 0, 0
    for _, key in ipairs(family.order) do
      local bound = key:match('^moongate_request_seconds_bucket{.*,le="([^"]+)"}$')
      if bound and key:find(route, 1, true) then
        local value, edge = family.samples[key], bound == "+Inf" and math.huge or tonumber(bound)
        assert.is_true(value >= before and edge > bound_before)
        before, bound_before, buckets = value, edge, buckets + 1
      end
    end
    assert.equal(3, before)
    assert.equal(math.huge, bound_before)
    assert.is_true(buckets > 5)
    local sum = family.samples["moongate_request_seconds_sum{" .. route .. "}"]
    assert.is_true(sum > 0 and sum < 60)
  end)

  it("counts what could not be carried out, and what was cut off", function()
    http.request(moongate.port, { path = "/gone" })
    local families = wait_for("moongate_faults_total",
      'moongate_faults_total{route="gone",fault="upstream-refused"}', 1)
    assert.equal(1, families.moongate_requests_total.samples[
      'moongate_requests_total{route="gone",status="502"}'])
    http.exchange(moongate.port, "GET / HTTP/1.1\r\nHost : x\r\n\r\n")
    wait_for("moongate_requests_total", 'moongate_requests_total{route="none",status="400"}', 1)
    wait_for("moongate_http_requests_malformed_total", "moongate_http_requests_malformed_total", 1)
  end)

  it("shows the gateway's own numbers with help", function()
    http.request(moongate.port, { path = "/bytes/1" })
    local target = ('{upstream="users",target="%s"}'):format(upstream.address)
    local families = wait_for("moongate_target_attempts_total",
      "moongate_target_attempts_total" .. target, 1)
    assert.equal(0, families.moongate_target_set_aside.samples[
      "moongate_target_set_aside" .. target])
    assert.is_true(families.moongate_loop_turn_seconds.samples.moongate_loop_turn_seconds_count > 0)
    for _, name in ipairs { "moongate_connections", "moongate_build_info",
      "moongate_start_time_seconds", "moongate_shared_limits_refused_total",
      "moongate_shared_dict_refused_total", "moongate_log_lines_dropped_total",
      "moongate_sink_lines_dropped_total", "moongate_plugin_errors_total" } do
      assert.is_not_nil(families[name], name)
      assert.is_not_nil(next(families[name].samples), name)
    end
    for name, family in pairs(families) do assert.is_true(#family.help > 10, name) end
  end)
end)

local ffi = require "ffi"
local native = require "spec.support.native"

native.declare [[
struct spec_log_entry {
  int format, level;
  struct { long seconds, nanoseconds; } time;
  const char *process;
  struct slice message, request;
};
struct slice spec_log_line_format(const struct spec_log_entry *entry, char *line)
  __asm__("log_line_format");
]]

local TEXT, JSON = 0, 1
local LINE_BYTES_MAX = 8192

local function line(format, message, options)
  options = options or {}
  local entry, buffer = ffi.new "struct spec_log_entry", ffi.new("char[?]", LINE_BYTES_MAX)
  local process = options.process or "worker 1"
  local message_slice, request = native.slice(message), native.slice(options.request or "")
  entry.format, entry.level = format, options.level or 1
  entry.time.seconds = options.seconds or 1795409104
  entry.time.nanoseconds = options.nanoseconds or 123456789
  entry.process, entry.message, entry.request = process, message_slice, request
  return native.text(native.C.spec_log_line_format(entry, buffer))
end

local function message_of(format, message)
  local head = format == TEXT and "^%S+ info %[worker 1%] (.*)$" or '"message":"(.*)"}$'
  return line(format, message):match(head)
end

describe("log_line", function()
  it("is a line of text", function()
    assert.equal("2026-11-23T04:45:04.123Z info [worker 1] ready", line(TEXT, "ready"))
    assert.equal("2026-11-23T04:45:04.123Z error ready",
      line(TEXT, "ready", { process = "", level = 3 }))
    assert.equal("2026-11-23T04:45:04.123Z debug [worker 1] sent request=8f3a",
      line(TEXT, "sent", { level = 0, request = "8f3a" }))
  end)

  it("is an object in JSON", function()
    assert.equal('{"time":"2026-11-23T04:45:04.123Z","level":"warning","process":"worker 1",'
      .. '"message":"slow","request":"8f3a"}', line(JSON, "slow", { level = 2, request = "8f3a" }))
    assert.is_nil(line(JSON, "slow"):find("request", 1, true))
  end)

  it("has the time of each line", function()
    local function time(seconds, nanoseconds)
      return line(TEXT, "", { seconds = seconds, nanoseconds = nanoseconds }):match "^%S+"
    end
    assert.equal("1970-01-01T00:00:00.000Z", time(0, 999999))
    assert.equal("2024-02-29T23:59:59.999Z", time(1709251199, 999999999))
    assert.equal("2024-03-01T00:00:00.000Z", time(1709251200, 0))
    assert.equal("2024-02-29T23:59:59.001Z", time(1709251199, 1000000))
  end)

  for message, forms in pairs {
    ["a\nb\r\tc"] = { "a\\nb\\r\\tc", "a\\nb\\r\\tc" },
    ["\27[31m\0\127"] = { "\\x1b[31m\\x00\\x7f", "\\u001b[31m\\u0000\\u007f" },
    ['say "no\\"'] = { 'say "no\\"', 'say \\"no\\\\\\"' },
    ["Grüße 日本 🌙"] = { "Grüße 日本 🌙", "Grüße 日本 🌙" },
    ["\194\155x\194\160"] = { "\\u009bx\194\160", "\\u009bx\194\160" },
    ["\255\128a"] = { "\\xff\\x80a", "\\\\xff\\\\x80a" },
    ["\192\175"] = { "\\xc0\\xaf", "\\\\xc0\\\\xaf" }, -- overlong "/"
    ["\224\159\191"] = { "\\xe0\\x9f\\xbf", "\\\\xe0\\\\x9f\\\\xbf" },
    ["\240\143\191\191"] = { "\\xf0\\x8f\\xbf\\xbf", "\\\\xf0\\\\x8f\\\\xbf\\\\xbf" },
    ["\237\160\128"] = { "\\xed\\xa0\\x80", "\\\\xed\\\\xa0\\\\x80" }, -- a surrogate
    ["\244\144\128\128"] = { "\\xf4\\x90\\x80\\x80", "\\\\xf4\\\\x90\\\\x80\\\\x80" },
    ["\245\128\128\128"] = { "\\xf5\\x80\\x80\\x80", "\\\\xf5\\\\x80\\\\x80\\\\x80" },
    ["\226\130"] = { "\\xe2\\x82", "\\\\xe2\\\\x82" }, -- cut off by the end
    ["\226A\130"] = { "\\xe2A\\x82", "\\\\xe2A\\\\x82" },
  } do
    it(("escapes %q"):format(message), function()
      assert.same(forms, { message_of(TEXT, message), message_of(JSON, message) })
    end)
  end

  for name, message in pairs {
    letters = ("x"):rep(9000), controls = ("\1"):rep(9000), sequences = ("🌙"):rep(3000), none = "",
  } do
    for format, kind in pairs { [TEXT] = "text", [JSON] = "JSON" } do
      it(("keeps %s of %s within its length"):format(kind, name), function()
        local cut = line(format, message, { request = ("\2"):rep(500) })
        assert.is_true(#cut <= LINE_BYTES_MAX)
        assert.is_true(message == "" or #cut > LINE_BYTES_MAX - 8)
        local _, shown = cut:gsub(format == TEXT and "\\x02" or "\\u0002", "")
        assert.equal(128, shown)
        assert.is_nil(cut:find "[%z\1-\31]")
        local dots = format == TEXT and "%.%.%. request=" or '%.%.%.","request":"'
        assert.equal(message ~= "", cut:find(dots) ~= nil)
        assert.is_nil(cut:find "\240\159\140[^\153]") -- no moon is cut in half
      end)
    end
  end

  it("is not cut when it just fits", function()
    local room = LINE_BYTES_MAX - #line(TEXT, "") - 3
    assert.is_nil(line(TEXT, ("x"):rep(room)):find("...", 1, true))
    assert.truthy(line(TEXT, ("x"):rep(room + 1)):find("...", 1, true))
  end)
end)

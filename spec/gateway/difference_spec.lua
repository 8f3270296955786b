--- difference: what a reload changes, as moongate diff and moongate reload tell it.

local certificates = require "spec.support.certificates"
local gateway = require "spec.support.gateway"
local http = require "spec.support.http"
local json = require "cjson"
local system = require "spec.support.system"

local KINDS = { "routes", "plugins", "upstreams", "listeners", "consumers", "settings", "files" }

-- All that a configuration can have.
local CONFIG = [[
  listen "127.0.0.1:0"
  admin "127.0.0.1:0"
  workers(1) watch(false)
  plugins "plugins"
  upstream "users" { "http://127.0.0.1:1", { "http://127.0.0.1:2", weight = 3 } }
  upstream "files" { "https://127.0.0.1:3", tls = { ca = "ca.pem" } }
  consumer "mobile" { keys = { "one" }, tags = { a = "1", b = "2", c = "3" } }
  use { { "request-id" } }
  local names = { "x", "y", "z" }
  for _, name in ipairs(names) do
    route("GET /" .. name) {
      upstream = "users", headers = { a = "1", b = "2", c = name },
      when = function(req) return req.headers["x-" .. name] ~= nil end,
      plugins = { { "own", text = name }, { "rate-limit", limit = 5, window = "1m",
        by = function(req) return name .. req.path end } },
    }
  end
  route "/files/{path*}" { upstream = "files" }
  route "/old" { plugins = { { "mock", body = "old" }, { "transform",
    response = { set_headers = { ["x-own"] = "1" } } } } }
  group { prefix = "/group", upstream = "users", routes = function() route "/a" {} end }
]]

local FILES = {
  ["plugins/own.lua"] = [[
    local part = require "shared.part"
    local own = { summary = "S.", options = { text = { type = "string", help = "x" } } }
    function own:request(req) req.headers["x-own"] = self.text .. part end
    return own
  ]],
  ["plugins/shared/part.lua"] = 'return "part"',
}

describe("a difference", function()
  local self

  setup(function()
    local directory = system.temporary_directory()
    local authority = certificates.authority(directory, "authority")
    os.execute(("cp '%s' '%s/ca.pem'"):format(authority.certificate, directory))
    system.write_file(directory .. "/gateway.lua", CONFIG)
    for name, text in pairs(FILES) do system.write_file(directory .. "/" .. name, text) end
    self = gateway.start { directory = directory }
  end)

  teardown(function() self:stop() end)

  after_each(function()
    system.write_file(self.directory .. "/gateway.lua", CONFIG)
    for name, text in pairs(FILES) do system.write_file(self.directory .. "/" .. name, text) end
  end)

  local function ask(verb)
    local code, out, err = self:ask { verb, "--json" }
    assert.equal("", err)
    return json.decode(out), code
  end

  -- What there is, as "kind sign name", without files.
  local function changes(answer)
    local found = {}
    for _, kind in ipairs(KINDS) do
      for sign, change in pairs { ["+"] = "added", ["~"] = "edited", ["-"] = "removed" } do
        local list = answer.changes[kind][change]
        assert.equal(answer.changes[kind].count[change], #list)
        for _, item in ipairs(list) do
          if kind ~= "files" then found[#found + 1] = ("%s %s %s"):format(kind, sign, item.name) end
        end
      end
    end
    table.sort(found)
    return found
  end

  -- What diff says when gateway.lua has `to` in place of `from`.
  local function edit(from, to)
    local first, last = CONFIG:find(from, 1, true)
    assert(first, from)
    system.write_file(self.directory .. "/gateway.lua",
      CONFIG:sub(1, first - 1) .. to .. CONFIG:sub(last + 1))
    local answer, code = ask "diff"
    assert.equal(0, code)
    assert.is_true(answer.ok)
    assert.is_true(answer.changed)
    return changes(answer)
  end

  it("is none between the same", function()
    local answer, code = ask "diff"
    assert.equal(0, code)
    assert.is_false(answer.changed)
    assert.same({}, changes(answer))
    assert.is_truthy(select(2, self:ask { "diff" }):find "^the configuration is the same")
  end)

  it("is none where only the text of a file is another", function()
    for _ = 1, 2 do
      assert.same({}, edit("  listen", "  -- a comment\n  listen"))
      assert.same({ "gateway.lua" }, { ask("diff").changes.files.edited[1].name:match "[^/]*$" })
    end
  end)

  it("names routes that come, go and change", function()
    assert.same({ "routes + /new", "routes - /old" },
      edit('route "/old"', 'route "/new"'))
    assert.same({ "routes ~ /old" }, edit('body = "old"', 'body = "new"'))
    assert.same({ "routes ~ /old" }, edit('["x-own"] = "1"', '["x-own"] = "2"'))
    assert.same({ "routes + /old" }, edit('route "/old"',
      'route "/old" { host = "a.example", upstream = "users" }\n  route "/old"'))
    assert.same({ "routes ~ GET /x", "routes ~ GET /y", "routes ~ GET /z" },
      edit("~= nil", '~= ""'))
    assert.same({ "routes + GET /w", "routes - GET /y" }, edit('"x", "y"', '"x", "w"'))
    assert.same({ "routes + /other/a", "routes - /group/a" }, edit('"/group"', '"/other"'))
    assert.same({ "routes ~ GET /x", "routes ~ GET /y", "routes ~ GET /z" },
      edit("limit = 5", "limit = 6"))
  end)

  it("tells where they are written", function()
    edit('body = "old"', 'body = "new"')
    local edited = ask("diff").changes.routes.edited
    assert.is_truthy(edited[1].at:find "gateway.lua:19$")
  end)

  it("names upstreams, consumers, listeners and settings", function()
    assert.same({ "upstreams ~ users" }, edit("weight = 3", "weight = 4"))
    assert.same({ "consumers ~ mobile" }, edit('keys = { "one" }', 'keys = { "two" }'))
    assert.same({ "consumers + web", "upstreams + more" },
      edit("  use", '  upstream "more" { "http://127.0.0.1:9" } consumer "web" {}\n  use'))
    assert.same({ "listeners + 127.0.0.1:0" }, edit("  admin", '  listen "127.0.0.1:0"\n  admin'))
    assert.same({ "listeners - admin 127.0.0.1:0" }, edit('admin "127.0.0.1:0"', ""))
    assert.same({ "settings ~ limits" }, edit("  use", '  limits { body = "1m" }\n  use'))
    assert.same({ "plugins + access-log", "settings ~ use" },
      edit('{ "request-id" }', '{ "request-id" }, { "access-log" }'))
    assert.same({ "settings ~ workers" }, edit("workers(1)", "workers(3)"))
    assert.same({ "workers" }, ask("diff").needs_upgrade)
  end)

  it("names plugins whose code is another, also that of modules", function()
    system.write_file(self.directory .. "/plugins/own.lua",
      (FILES["plugins/own.lua"]:gsub("x%-own", "x-other")))
    assert.same({ "plugins ~ own" }, changes((ask "diff")))
    system.write_file(self.directory .. "/plugins/own.lua", FILES["plugins/own.lua"])
    system.write_file(self.directory .. "/plugins/shared/part.lua", 'return "other"')
    assert.same({ "plugins ~ own" }, changes((ask "diff")))
  end)

  it("sees that a certificate is another", function()
    local text = system.read_file(self.directory .. "/ca.pem")
    system.write_file(self.directory .. "/ca.pem", text .. "\n")
    assert.same({ "upstreams ~ files" }, changes((ask "diff")))
    system.write_file(self.directory .. "/ca.pem", text)
  end)

  it("counts all, and names the first thousand of a kind", function()
    local many = 'for i = 1, 1200 do route("GET /many/" .. i) { plugins = {%s} } end'
    system.write_file(self.directory .. "/gateway.lua",
      CONFIG .. many:format '{ "mock", body = "1" }')
    local added = (ask "reload").changes.routes
    assert.same({ 1200, 1000 }, { added.count.added, #added.added })
    system.write_file(self.directory .. "/gateway.lua",
      CONFIG .. many:format '{ "mock", body = "2" }')
    local _, text = self:ask { "diff" }
    assert.is_truthy(text:find("routes     1200 edited\n  ~ GET /many/1  ", 1, true), text)
    assert.is_truthy(text:find("  ~ and 1160 more\n", 1, true), text)
    assert.equal(1200, (ask "rollback").changes.routes.count.removed)
  end)

  it("says what is wrong instead, without calling it a failed reload", function()
    system.write_file(self.directory .. "/gateway.lua", CONFIG .. "nonsense()")
    local answer, code = ask "diff"
    assert.equal(1, code)
    assert.is_truthy(answer.errors[1]:find "gateway.lua:22: ")
    local _, _, err = self:ask { "diff" }
    assert.is_truthy(err:find "gateway.lua:22: ")
    assert.is_nil((ask "status").last_failure)
  end)

  it("is told by a reload, too, and by the one that takes it back", function()
    system.write_file(self.directory .. "/gateway.lua", (CONFIG:gsub('"/old"', '"/new"')))
    local before = select(2, self:ask { "diff" })
    local code, out = self:ask { "reload" }
    assert.equal(0, code)
    local list = "routes     1 added, 1 removed\n  %+ /new  [^\n]*\n  %- /old  [^\n]*\n"
    assert.is_truthy(before:find(list), before)
    assert.is_truthy(out:find(list), out)
    assert.equal(200, http.request(self.port, { path = "/new" }).status)
    assert.same({}, changes((ask "diff")))
    assert.same({ "routes + /old", "routes - /new" }, changes((ask "rollback")))
    assert.same({ "routes + /new", "routes - /old" }, changes((ask "diff")))
    system.write_file(self.directory .. "/gateway.lua", CONFIG)
    assert.is_false((ask "reload").changed)
  end)
end)

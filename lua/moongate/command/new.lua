--- new: `moongate new plugin NAME`: writes a plugin, its spec and editor settings.

local verb = { usage = "new plugin NAME [-c FILE]", words = { 2, 2 } }

local PLUGIN = [[
--- %s: says in one sentence what it does.

---@class %s: Plugin
---@field header string
local %s = {
  summary = "Adds a header to requests and answers.",
  options = {
    header = { type = "string", default = "x-%s", help = "header that is added" },
  },
}

---@param req Request
---@return Reply?  ends the request when present
function %s:request(req)
  req.headers[self.header] = req.id
end

---@param req Request
---@param res Response
function %s:response(req, res)
  res.headers[self.header] = req.id
end

return %s
]]

local SPEC = [[
--- Run with: busted --lua=luajit %s
-- Loads the plugin alone, with stand-ins for the request and the answer.

local folder = debug.getinfo(1, "S").source:match "^@(.*)/[^/]*$" or "."
package.path = folder .. "/?.lua;" .. package.path
local plugin = require "%s"

describe("%s", function()
  local instance = { header = "x-%s" }

  it("has a summary and options with help", function()
    assert.is_string(plugin.summary)
    for _, option in pairs(plugin.options) do assert.is_string(option.help) end
  end)

  it("adds its header to requests", function()
    local req = { id = "7", headers = {} }
    plugin.request(instance, req)
    assert.equal("7", req.headers["x-%s"])
  end)

  it("adds its header to answers", function()
    local res = { headers = {} }
    plugin.response(instance, { id = "7" }, res)
    assert.equal("7", res.headers["x-%s"])
  end)
end)
]]

local SETTINGS = [[
{
  "runtime.version": "LuaJIT",
  "workspace.library": ["%s"],
  "diagnostics.globals": ["describe", "it", "before_each", "after_each"]
}
]]

local function exists(path)
  local handle = io.open(path, "rb")
  if handle then handle:close() end
  return handle ~= nil
end

local function make_folder(path)
  return os.execute(("mkdir -p '%s'"):format((path:gsub("'", "'\\''"))))
end

local function write(path, text)
  local handle, why = io.open(path, "wb")
  if not handle then return nil, why end
  handle:write(text)
  handle:close()
  io.stdout:write("wrote ", path, "\n")
  return true
end

local function folder_of(path) return path:match "^(.*)/[^/]*$" or "." end

local function contents(name, folder, plugin_root)
  local id = name:gsub("-", "_")
  local class = (("-" .. name):gsub("%-(%l)", string.upper))
  local spec = ("%s/%s_spec.lua"):format(folder, name)
  return {
    { ("%s/%s.lua"):format(folder, name),
      PLUGIN:format(name, class, id, name, id, id, id) },
    { spec, SPEC:format(spec, name, name, name, name, name) },
    { folder .. "/.luarc.json", SETTINGS:format((plugin_root:gsub("/plugins$", "/lua"))),
      keeps = true },
  }
end

local function is_name(text)
  return text:find "^%l[%l%d-]*$" and not text:find "%-%-" and not text:find "%-$"
end

---@param given Arguments
---@return integer code
function verb.run(given)
  local kind, name = given.words[1], given.words[2]
  if kind ~= "plugin" or not is_name(name) then
    io.stderr:write("moongate new: a plugin's name has lower-case letters, digits and -, ",
      'like "key-auth"\nusage: moongate ', verb.usage, "\n")
    return 2
  end
  local folder = folder_of(given.config) .. "/plugins"
  make_folder(folder)
  local files = contents(name, folder, given.plugin_root)
  for _, file in ipairs(files) do
    if exists(file[1]) and not file.keeps then
      io.stderr:write(file[1], " is there already; nothing was written\n")
      return 1
    end
  end
  for _, file in ipairs(files) do
    if not exists(file[1]) then
      local ok, why = write(file[1], file[2])
      if not ok then
        io.stderr:write(why, "\n")
        return 1
      end
    end
  end
  io.stdout:write(('use it in a route: plugins = { { "%s" } }\n'):format(name))
  return 0
end

return verb

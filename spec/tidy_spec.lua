--- tidy_spec: the style of the tree, as far as a machine can see it.

local system = require "spec.support.system"

local LAYERS = {
  "base", "crypto", "shm", "net", "store", "http", "upstream", "cache", "gateway", "bridge",
  "server",
}
local TOP_LEVEL = {
  "runtime", "lua", "plugins", "spec", "conf", "build", "CMakeLists.txt", "README.md", "LICENSE",
  "dev",
}
local C_LINES_MAX, LUA_LINES_MAX, SPEC_LINES_MAX, COLUMNS_MAX = 500, 300, 600, 100

local function lines_of(command)
  local pipe = assert(io.popen(command))
  local found = {}
  for line in pipe:lines() do found[#found + 1] = line end
  pipe:close()
  return found
end

-- What is in the tree, without what tools leave there and binary inputs of the fuzzers.
local FILES = lines_of [[
  find . -path ./build -prune -o -path ./.git -prune -o -path '*/corpus/*' -prune \
    -o -type f -printf '%P\n' | sort]]

local TEXTS = {}
for _, path in ipairs(FILES) do TEXTS[path] = system.read_file(path) end

local function extension(path) return path:match "%.(%w+)$" end
local function stem(path) return path:match "([^/]+)%.%w+$" end
local function is_c(path) return extension(path) == "c" or extension(path) == "h" end
local function is_lua(path) return extension(path) == "lua" end
local function is_spec(path) return path:find "^spec/" ~= nil end

-- Calls `check` for each file that `filter` likes; it returns what is wrong, or nil.
local function each(filter, check)
  local wrong = {}
  for _, path in ipairs(FILES) do
    if filter(path) then
      local problem = check(path, TEXTS[path])
      if problem then wrong[#wrong + 1] = ("%s: %s"):format(path, problem) end
    end
  end
  assert(#wrong == 0, "\n" .. table.concat(wrong, "\n"))
end

local function line_count(text) return select(2, text:gsub("\n", "")) end

-- The first line for which `is_wrong` holds, with its number.
local function first_line(text, is_wrong)
  local number = 0
  for line in text:gmatch "([^\n]*)\n" do
    number = number + 1
    if is_wrong(line) then return ("line %d: %s"):format(number, line) end
  end
  return nil
end

-- Columns, not bytes.
local function width(line) return #line:gsub("[\128-\191]", "") end

-- A table may be wider than the rest; `clang-format off` marks it.
local function without_tables(text)
  return (text:gsub("clang%-format off.-clang%-format on", function(inside)
    return ("\n"):rep(line_count(inside))
  end))
end

local RANK = {}
for i, layer in ipairs(LAYERS) do RANK[layer] = i end

describe("the tree", function()
  it("has nothing unexpected at its top", function()
    local expected = {}
    for _, name in ipairs(TOP_LEVEL) do expected[name] = true end
    for _, name in ipairs(lines_of "ls") do assert(expected[name], name .. " is new at the top") end
  end)

  it("has no folder in runtime/ that is not a layer", function()
    each(function(path) return path:find "^runtime/.-/" ~= nil end, function(path)
      local layer = path:match "^runtime/([^/]+)/"
      if not RANK[layer] then return layer .. " is not a layer" end
    end)
  end)

  it("has no drawer for odds and ends", function()
    each(function(path) return extension(path) ~= nil end, function(path)
      local name = stem(path)
      for _, drawer in ipairs { "util", "utils", "misc", "common", "helper", "helpers" } do
        if name == drawer then return "what is it?" end
      end
    end)
  end)

  it("includes downwards only", function()
    each(function(path) return is_c(path) and path:find "^runtime/" ~= nil end, function(path, text)
      local own = RANK[path:match "^runtime/([^/]+)/"]
      for layer in text:gmatch '\n#include "([^/"]+)/' do
        if not RANK[layer] then return "includes of an unknown layer: " .. layer end
        if RANK[layer] > own then return "includes upwards: " .. layer end
      end
    end)
  end)

  it("knows Lua in bridge/ alone", function()
    each(function(path)
      return is_c(path) and path:find "^runtime/" ~= nil and not path:find "^runtime/bridge/"
    end, function(_, text)
      return text:match "#include [<\"]lua%w*%.h[>\"]" or text:match "#include [<\"]lauxlib%.h[>\"]"
    end)
  end)

  it("declares C for Lua in one file", function()
    each(function(path)
      return is_lua(path) and not is_spec(path) and path ~= "lua/moongate/ffi.lua"
    end, function(_, text)
      return text:match "ffi%.cdef"
    end)
  end)

  it("has a spec for each plugin, and a plugin for each spec", function()
    local plugins, specs = {}, {}
    for path in pairs(TEXTS) do
      local plugin = path:match "^plugins/([^/]+)%.lua$" or path:match "^plugins/([^/]+)/init%.lua$"
      if plugin then plugins[plugin] = true end
      local spec = path:match "^spec/plugins/([^/]+)_spec%.lua$"
      if spec then specs[spec] = true end
    end
    for plugin in pairs(plugins) do assert(specs[plugin], "no spec for the plugin " .. plugin) end
    for spec in pairs(specs) do assert(plugins[spec], "no plugin for the spec " .. spec) end
  end)

  it("keeps the spec of a C file at the file's own path", function()
    each(function(path) return path:find "^spec/runtime/.+_spec%.lua$" ~= nil end, function(path)
      -- Writers that are killed between two stores have a file of their own, and so has what
      -- happens in the long run.
      local source = path:match "^spec/(.+)_spec%.lua$":gsub("_stores$", "")
      source = source:gsub("_simulation$", "")
      if not TEXTS[source .. ".c"] and not TEXTS[source .. ".h"] then
        return ("there is neither %s.c nor .h"):format(source)
      end
    end)
  end)
end)

describe("every file", function()
  it("of C opens with a sentence that says what it is", function()
    each(is_c, function(path, text)
      local name, sentence = text:match "^/%*\n %* ([%w_%-]+) — (.-)\n %*[/\n]"
      if not name then return "does not open with `/*`, ` * name — what it is.`" end
      if name ~= stem(path) then return "calls itself " .. name end
      if not sentence:find "%.$" then return "its first sentence does not end: " .. sentence end
    end)
  end)

  it("of Lua opens with a sentence that says what it is", function()
    each(function(path)
      return is_lua(path) and not path:find "_spec%.lua$"
    end, function(path, text)
      if path:find "^conf/" then
        return not text:find "^%-%- .-%.\n" and "does not open with `-- what it is.`" or nil
      end
      local name = text:gsub("^%-%-%-@meta[^\n]*\n", ""):match "^%-%-%- ([%w_%-%.]+): %S"
      local folder = path:match "([^/]+)/init%.lua$"
      if not name then return "does not open with `--- name: what it is.`" end
      if name ~= stem(path) and name ~= folder then return "calls itself " .. name end
    end)
  end)

  it("of C is short enough to be one idea", function()
    each(is_c, function(path, text)
      local count = line_count(text)
      if count > (is_spec(path) and SPEC_LINES_MAX or C_LINES_MAX) then return count .. " lines" end
    end)
  end)

  it("of Lua is short enough to be one idea", function()
    each(is_lua, function(path, text)
      local count = line_count(text)
      local max = is_spec(path) and SPEC_LINES_MAX or LUA_LINES_MAX
      if count > max then return count .. " lines" end
    end)
  end)

  it("fits a hundred columns, tables excepted", function()
    each(function(path)
      return is_c(path) or is_lua(path) or path == "dev" or path == "CMakeLists.txt"
    end, function(_, text)
      return first_line(without_tables(text), function(line) return width(line) > COLUMNS_MAX end)
    end)
  end)

  it("ends its lines with LF and nothing before it, and has no tabs", function()
    each(function(path) return path ~= "LICENSE" end, function(_, text)
      if text ~= "" and text:sub(-1) ~= "\n" then return "the last line has no end" end
      return first_line(text, function(line) return line:find "[ \t\r]$" or line:find "\t" end)
    end)
  end)

  it("is finished", function()
    local marks = { "TO" .. "DO", "FIX" .. "ME", "XX" .. "X" }
    each(function() return true end, function(path, text)
      return first_line(text, function(line)
        for _, mark in ipairs(marks) do
          if line:find("%f[%w]" .. mark .. "%f[%W]") and path ~= "dev" then return true end
        end
        return false
      end)
    end)
  end)

  it("names no path of the machine it was written on", function()
    each(function(path) return path ~= "spec/tidy_spec.lua" end, function(_, text)
      return first_line(text, function(line)
        return line:find "/home/%w" or line:find "/root/%w" or line:find "[\"' =]/work/"
      end)
    end)
  end)

  it("of C calls nothing that writes or reads without a bound", function()
    each(is_c, function(_, text)
      for _, name in ipairs {
        "strcpy", "strcat", "sprintf", "vsprintf", "strtok", "atoi", "atol", "alloca", "gets",
      } do
        if text:find("%f[%w_]" .. name .. "%(") then return "calls " .. name end
      end
    end)
  end)
end)

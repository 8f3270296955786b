--- report: busted's output in this project: silence for what passes, all about what fails.
--
-- Leaves "passed failed skipped" in the file that MOONGATE_SPEC_COUNTS names.

return function()
  local busted = require "busted"
  local handler = require "busted.outputHandlers.base"()

  local function describe(kind, entry)
    local trace = entry.trace or {}
    local message = entry.message
    if type(message) ~= "string" then message = require("pl.pretty").write(message) end
    io.write(("  %s  %s\n    at %s:%s\n"):format(kind, entry.name, trace.short_src or "?",
                                               trace.currentline or "?"))
    io.write("    ", (message:gsub("\n", "\n    ")), "\n")
    if entry.isError and trace.traceback then
      io.write("    ", (trace.traceback:gsub("\n", "\n    ")), "\n")
    end
  end

  local function on_end()
    for _, entry in ipairs(handler.failures) do describe("FAILED", entry) end
    for _, entry in ipairs(handler.errors) do describe("RAISED", entry) end
    io.flush() -- a leak that is found when the process ends would keep it
    local failed = handler.failuresCount + handler.errorsCount
    local counts = ("%d %d %d\n"):format(handler.successesCount, failed, handler.pendingsCount)
    local path = os.getenv "MOONGATE_SPEC_COUNTS"
    if path then
      local file = assert(io.open(path, "w"))
      file:write(counts)
      file:close()
    end
    return nil, true
  end

  busted.subscribe({ "suite", "end" }, on_end)
  return handler
end

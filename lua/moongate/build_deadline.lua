--- build_deadline: describes what a route makes of the time that requests say they have left.

local bridge = require "moongate.ffi"

local C = bridge.C

-- As enum deadline_format of runtime/upstream/deadline.h.
local FORMATS = { seconds = 0, milliseconds = 1, grpc = 2, unix = 3 }

---@param builder table  of build.lua
---@param deadline ModelDeadline?
return function(builder, deadline)
  if not deadline then return end
  builder:text(C.MOON_BUILD_DEADLINE_FIELD, deadline.field)
  builder:number(C.MOON_BUILD_DEADLINE_FORMAT, FORMATS[deadline.format])
  builder:number(C.MOON_BUILD_DEADLINE_MAX, deadline.max)
  builder:number(C.MOON_BUILD_DEADLINE_LEAST, deadline.least)
  builder:number(C.MOON_BUILD_DEADLINE_TRUST, deadline.trust == "proxies")
  builder:number(C.MOON_BUILD_DEADLINE_PASS_ON, deadline.pass_on)
  builder:number(C.MOON_BUILD_DEADLINE_REPORT_ONLY, deadline.report_only)
end

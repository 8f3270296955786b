--- breakers: the table of circuit breakers, as one process or several have it.

local ffi = require "ffi"
local shared = require "spec.support.shared"

local C = shared.C

ffi.cdef [[
  struct breakers { struct name_table names; void *words; };
  struct breaker_options {
    uint32_t window_ms, open_ms, minimum, probes; double failed_share, slow_share;
  };
  struct breaker_pass {
    uint32_t number; bool is_refused, is_probe; uint64_t episode, until_ms;
    uint32_t retry_after_ms;
  };
  struct breaker_view { struct slice name; int state; uint64_t opened, refused; };
  bool breakers_init(struct breakers *, struct segment *, const char *);
  uint32_t breaker_number(const struct breakers *, struct slice);
  struct breaker_pass breaker_admit(const struct breakers *, uint32_t,
                                    const struct breaker_options *, uint64_t now_ms);
  int breaker_report(const struct breakers *, const struct breaker_options *,
                     const struct breaker_pass *, int outcome, uint64_t now_ms);
  bool breaker_reset(const struct breakers *, struct slice);
  void breaker_view(const struct breakers *, uint32_t, struct breaker_view *);
  bool breakers_next(const struct breakers *, size_t *, struct breaker_view *);
]]

local breakers = {}

--- A segment with room for the table; shared.finish() ends it.
---@return ffi.cdata*
function breakers.segment()
  return shared.segment(tonumber(C.breakers_bytes()) + 65536)
end

--- The table in it, as a worker has it.
---@param segment ffi.cdata*
---@return ffi.cdata*
function breakers.view(segment)
  local view = ffi.new "struct breakers"
  assert(C.breakers_init(view, segment, "breakers"))
  return view
end

return breakers
